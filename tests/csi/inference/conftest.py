"""A stub backend, a session, and the drivers on them."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from daemon.csi.inference.connections import open_session
from daemon.csi.inference.http import Backend, Bounds
from tests import aleph_alpha_stub
from tests.inference_stub import StubBackend, serve


@pytest.fixture
async def stub() -> AsyncIterator[StubBackend]:
    """One backend that speaks both formats."""
    stub = StubBackend(key="secret")
    async with serve(stub, aleph_alpha_stub.routes(stub)):
        yield stub


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The session as the daemon opens it."""
    async with open_session() as session:
        yield session


@pytest.fixture
def backend(stub: StubBackend, session: aiohttp.ClientSession) -> Backend:
    """Impatient, so that timeouts are quick."""
    return Backend(session, stub.url, bounds=Bounds(backoff=0.001, first_byte=0.5, idle=0.3))
