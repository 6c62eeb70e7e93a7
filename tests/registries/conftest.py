"""What the tests of registries share: one real registry for all, and a stub for each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from daemon.registries.options import Patience
from daemon.registries.registries import Registries
from tests.registry_server import RegistryServer, running_registry
from tests.registry_stub import StubRegistry

HASTY = Patience(connect=2, idle=0.3, answer=5, transfer=10, pause=0, component_size=8 << 20)
"""Short enough for faults that only time reveals."""


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A docker-registry with TLS and a login, shared by all tests that leave it running."""
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
async def stub() -> AsyncIterator[StubRegistry]:
    """A registry to script, well at first."""
    async with StubRegistry().running() as running:
        yield running


@pytest.fixture
async def registries(stub: StubRegistry) -> AsyncIterator[Registries]:
    """All registries as a daemon has them, the stub being known."""
    async with Registries(options=[stub.options], patience=HASTY) as made:
        yield made
