"""A stub backend, a session, and the drivers on them."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

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
async def backend(stub: StubBackend) -> AsyncIterator[Backend]:
    """Impatient, so that timeouts are quick."""
    async with aiohttp.ClientSession() as session:
        yield Backend(session, stub.url, bounds=Bounds(backoff=0.001, first_byte=0.5, idle=0.3))
