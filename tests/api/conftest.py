"""A real server on port 0 and a real client for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from daemon.api.ports import Options
from daemon.api.server import Server
from tests.fakes_api import services


@dataclass
class Running:
    """A server that answers, and how to talk to it."""

    server: Server
    host: str
    port: int
    http: aiohttp.ClientSession
    metrics_port: int | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers; they are stopped with the test."""
    async with AsyncExitStack() as stack:

        async def start(
            *, options: Options | None = None, metrics: Any = None, **changes: Any
        ) -> Running:
            server = Server(services(**changes), options=options, metrics=metrics)
            bound = await server.start(api=("127.0.0.1", 0), metrics=("127.0.0.1", 0))
            stack.push_async_callback(server.stop, grace=0.0)
            http = await stack.enter_async_context(
                aiohttp.ClientSession(f"http://127.0.0.1:{bound.api[1]}")
            )
            metrics_port = bound.metrics[1] if bound.metrics else None
            return Running(server, bound.api[0], bound.api[1], http, metrics_port)

        yield start
