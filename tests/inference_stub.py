"""
What the stubs of inference backends share: recording, scripted faults, watching connections.

A fault is played for the next requests, one each; afterwards the stub is well again. As a program
(`python -m tests.openai_stub --help`) it serves whoever calls, with the faults asked for.
"""

import argparse
import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvloop
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived; equal `peer`s came over the same connection."""

    path: str
    headers: dict[str, str]
    body: Any
    peer: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    What goes wrong with one request.

    A refusal with `status`; or silence (`hang`), or a lost connection (`drop`), before any answer;
    or a stream that after `events` events is cut, hangs, or drips comments without end.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False
    drop: bool = False
    events: int | None = None
    then: Literal["cut", "hang", "drip"] = "cut"


@dataclass(slots=True)
class StubBackend:
    """
    Owned by the test that runs it.

    `step` cuts streams into pieces of so many bytes, `latency` is the time before an answer and
    `pace` that between two pieces of a stream, in seconds; answers wait for `held` too, if there
    is one. `gone` is set when a client leaves a request that waits, `waiting` counts those.
    """

    key: str | None = None
    models: frozenset[str] | None = frozenset({"stub", "a/b", "a/b?c"})
    step: int | None = None
    latency: float = 0.0
    pace: float = 0.0
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=10_000))
    faults: deque[Fault] = field(default_factory=deque)
    replies: deque[Any] = field(default_factory=deque)
    held: asyncio.Event | None = None
    waiting: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def admit(self, request: web.Request) -> Any:
        """Record the request and play the faults that need no stream; return the body."""
        raw = await request.read()
        body = json.loads(raw) if raw else None
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")[:2]
        if self.seen.maxlen:
            self.seen.append(Seen(request.path, dict(request.headers), body, peer))
        self.arrived.set()
        if self.faults and self.faults[0].events is None:
            await self._play(self.faults.popleft(), request.transport)
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            text = "Incorrect API key provided."
            raise refused(401, error(text, code="invalid_api_key"))
        if self.latency:
            await self._wait(asyncio.sleep(self.latency))
        if self.held is not None:
            await self._wait(self.held.wait())
        return body

    async def _play(self, fault: Fault, transport: asyncio.Transport) -> None:
        if fault.hang:
            await self._wait(asyncio.Event().wait())
        if fault.drop:
            transport.close()
        raise refused(fault.status, fault.body, fault.headers)

    async def _wait(self, until: Awaitable[object]) -> None:
        """Wait, and tell when the client leaves meanwhile."""
        self.waiting += 1
        try:
            await until
        except asyncio.CancelledError:
            self.gone.set()
            raise
        finally:
            self.waiting -= 1

    async def stream(self, request: web.Request, events: Sequence[Any]) -> web.StreamResponse:
        """Send *events* (JSON values, texts, or bytes as they are) as server-sent events."""
        fault = self.faults.popleft() if self.faults else Fault()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        pieces = [_sse(event) for event in events[: fault.events]]
        if not self.step and not self.pace:
            pieces = [b"".join(pieces)] if pieces else []
        for piece in pieces:
            step = self.step or len(piece)
            for start in range(0, len(piece), step):
                await response.write(piece[start : start + step])
                await asyncio.sleep(self.pace)
        if fault.events is not None:
            await self._break(fault, response)
            assert request.transport is not None
            request.transport.close()
        return response

    async def _break(self, fault: Fault, response: web.StreamResponse) -> None:
        if fault.then == "hang":
            await self._wait(asyncio.Event().wait())
        while fault.then == "drip":
            await response.write(b": still there\n")
            await asyncio.sleep(0.01)


def _sse(event: Any) -> bytes:
    if isinstance(event, bytes):
        return event
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def error(text: str, *, code: str | int | None = None, kind: str = "invalid_request_error") -> Any:
    """An error as OpenAI words it."""
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


class _Refused(web.HTTPException):
    """An answer with any status."""

    def __init__(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.status_code = status
        super().__init__(text=text, headers=headers, content_type="application/json")


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> web.HTTPException:
    """An answer with any status; *body* is bytes, or becomes JSON."""
    text = body.decode() if isinstance(body, bytes) else json.dumps(body)
    return _Refused(status, text, headers or {})


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Routes = Callable[[StubBackend], dict[str, Handler]]


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
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


def read_fault(text: str) -> Fault:
    """`hang`, `drop`, `status=503`, or `cut=2`, `hang=2`, `drip=2` after so many events."""
    match text.partition("="):
        case ("hang", "", ""):
            return Fault(hang=True)
        case ("drop", "", ""):
            return Fault(drop=True)
        case ("status", _, number) if number.isdecimal():
            return Fault(status=int(number))
        case (("cut" | "hang" | "drip") as then, _, number) if number.isdecimal():
            return Fault(events=int(number), then=then)
        case _:
            raise argparse.ArgumentTypeError(f"unknown fault {text!r}")


def main(routes: Routes) -> None:
    """Run as a program until it is ended; prints its port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the only token that is accepted; default: any")
    parser.add_argument("--model", action="append", help="a model on offer; default: any")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between two events")
    parser.add_argument(
        "--fault", type=read_fault, action="append", default=[], help=read_fault.__doc__
    )
    options = parser.parse_args()
    stub = StubBackend(
        key=options.key,
        models=frozenset(options.model) if options.model else None,
        latency=options.latency,
        pace=options.pace,
        seen=deque(maxlen=0),
        faults=deque(options.fault),
    )
    uvloop.run(_run(stub, routes(stub), options.port))


async def _run(stub: StubBackend, routes: dict[str, Handler], port: int) -> None:
    async with serve(stub, routes, port=port):
        print(stub.url.rpartition(":")[2], flush=True)
        await asyncio.Event().wait()
