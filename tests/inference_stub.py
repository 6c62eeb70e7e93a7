"""
What the stubs of inference backends share: recording, scripted faults, watching connections.

A fault is played for the next requests, one each; afterwards the stub is well again.
"""

import argparse
import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong: a refusal, silence, or a stream that breaks after `events` events."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hang: bool = False
    events: int | None = None
    then: str = "cut"


@dataclass(slots=True)
class StubBackend:
    """Owned by the test that runs it. `step` cuts streams into pieces of so many bytes."""

    key: str | None = None
    models: frozenset[str] = frozenset({"stub"})
    step: int | None = None
    delay: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    replies: deque[Any] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def admit(self, request: web.Request) -> Any:
        """Record the request and play the faults that need no stream; return the body."""
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.seen.append(Seen(request.path, dict(request.headers), body))
        self.arrived.set()
        fault = self.faults[0] if self.faults else None
        if fault is not None and fault.events is None:
            self.faults.popleft()
            if fault.hang:
                await self.hang()
            raise refused(fault.status, fault.body or b"", fault.headers)
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise refused(401, {"error": {"message": "bad key", "code": "invalid_api_key"}})
        return body

    async def hang(self) -> None:
        """Wait until the client is gone, and tell."""
        try:
            await asyncio.Event().wait()
        finally:
            self.gone.set()

    async def stream(self, request: web.Request, events: Sequence[Any]) -> web.StreamResponse:
        """Send *events* (JSON values, or texts as they are) as server-sent events."""
        fault = self.faults.popleft() if self.faults else Fault()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events[: fault.events]:
            text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
            data = f"data: {text}\n\n".encode()
            for start in range(0, len(data), self.step or len(data)):
                await response.write(data[start : start + (self.step or len(data))])
                await asyncio.sleep(self.delay)
        if fault.events is not None and fault.then == "hang":
            await self.hang()
        if fault.events is not None and request.transport is not None:
            request.transport.close()
        return response


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> web.HTTPException:
    """An answer with any status; *body* is bytes, or becomes JSON."""
    kind = type("Refused", (web.HTTPException,), {"status_code": status})
    text = body.decode() if isinstance(body, bytes) else json.dumps(body)
    refusal: web.HTTPException = kind(text=text, headers=headers, content_type="application/json")
    return refusal


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(
    stub: StubBackend, routes: dict[str, Handler], *, port: int = 0
) -> AsyncIterator[None]:
    """Listen on 127.0.0.1 and set `stub.url`; a client that leaves cancels its handler."""
    app = web.Application(client_max_size=64 << 20)
    for path, handler in routes.items():
        app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


def main(stub: StubBackend, routes: dict[str, Handler]) -> None:
    """Run as a program until it is ended; prints the port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port

    async def run() -> None:
        async with serve(stub, routes, port=port):
            print(stub.url.rpartition(":")[2], flush=True)
            await asyncio.Event().wait()

    asyncio.run(run())
