"""Guests that wait for their host, which waits for a backend that never answers."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.conftest import Skills
from tests.e2e.background import in_background
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import entry, put, saying, wanting

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@dataclass
class _Silence:
    """An inference backend that takes requests and never answers; counts who waits."""

    url: str = ""
    arrived: int = 0
    left: int = 0
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["_Silence"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._wait)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self._never.set()
            await runner.cleanup()

    async def _wait(self, request: web.Request) -> web.Response:
        self.arrived += 1
        try:
            await self._never.wait()
        finally:
            self.left += 1
        return web.Response(status=500)


@pytest.fixture(scope="module")
def silence() -> Iterator[_Silence]:
    """One backend for all."""
    with in_background(_Silence().running()) as server:
        yield server


@pytest.fixture(scope="module")
def daemon(
    silence: _Silence,
    sdk_skill: Skills,
    primed: Callable[[Path], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Daemon]:
    """One worker, so that a guest that waits would be in everybody's way."""
    root = tmp_path_factory.mktemp("host")
    primed(root)
    beside = put(root / "skills", beside=saying("well"))
    backend = {"OPENAI_INFERENCE__URL": silence.url, "OPENAI_INFERENCE__TOKEN": "t"}
    with running(root, WORKERS=1, PRECOMPILE="split", **backend) as daemon:
        python = sdk_skill("haiku").parent
        daemon.write(wanting("haiku", path=python))
        daemon.write(wanting(entry("haiku", timeout="2s"), path=python), namespace="hurried")
        daemon.write(wanting("beside", path=beside), namespace="other")
        for path in ("team/haiku", "hurried/haiku"):
            daemon.eventually(
                lambda path=path: daemon.get(f"/v1/skills/{path}/metadata").status,
                lambda status: status == 200,
                within=120,
            )
        daemon.answers("other/beside", "well")
        yield daemon


def test_a_host_call_that_never_returns_ends_at_the_deadline(
    daemon: Daemon, silence: _Silence
) -> None:
    """Many of them, on one worker: none costs the others their turn."""
    arrived = silence.arrived
    statuses: list[int] = []

    def call() -> None:
        statuses.append(daemon.run("hurried/haiku", {"topic": "autumn"}).status)

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    daemon.eventually(lambda: silence.arrived, lambda count: count > arrived)
    assert daemon.run("other/beside", "hi").json() == "well"
    for thread in threads:
        thread.join()

    assert statuses == [504] * 5
    daemon.eventually(lambda: silence.arrived - silence.left, lambda waiting: waiting == 0)


def test_a_client_that_leaves_cancels_what_is_asked_of_backends(
    daemon: Daemon, silence: _Silence
) -> None:
    """All the way up: tokens cost money."""
    arrived = silence.arrived
    body = json.dumps({"topic": "autumn"}).encode()
    host, port = daemon.address
    head = (
        f"POST /v1/skills/team/haiku/run HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with closing(socket.create_connection(daemon.address)) as client:
        client.sendall(head.encode() + body)
        daemon.eventually(lambda: silence.arrived, lambda count: count > arrived)

    daemon.eventually(lambda: silence.arrived - silence.left, lambda waiting: waiting == 0)
    daemon.eventually(
        lambda: daemon.metric('skilld_calls{state="waiting"}'), lambda calls: calls == 0
    )
    assert daemon.run("other/beside", "hi").json() == "well"
