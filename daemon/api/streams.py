"""
Carries a Skill's stream to one client as server-sent events.

Back-pressure: the next item is asked for once the client took the last one. A client that leaves
cancels the request, which closes the Skill's stream, which stops the guest. Leaves out the bytes
of an event (`sse`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from aiohttp import web

from daemon.api import sse
from daemon.api.drain import DRAIN, shutting_down
from daemon.api.errors import BEFORE_THE_CALL
from daemon.api.ports import OPTIONS, SERVICES
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import StreamEvent
from daemon.tasks import Tasks

_log = logging.getLogger(__name__)

Events = AsyncGenerator[StreamEvent, None]


class EventStream:
    """One response; owned by its request. Knows since when the client heard nothing."""

    def __init__(self, request: web.Request, *, heartbeat: float | None) -> None:
        """After *heartbeat* seconds of silence a comment is sent; None for never."""
        self.response = web.StreamResponse(headers=sse.HEADERS)
        self._request = request
        self._heartbeat = heartbeat
        self._sent = 0
        self._tasks = Tasks()

    async def open(self) -> None:
        """Send the head. From here on failures are events."""
        await self.response.prepare(self._request)
        if self._heartbeat is not None:
            self._tasks.spawn(self._beat(self._heartbeat), name="heartbeat")

    async def send(self, data: bytes) -> None:
        """Send one event; waits while the client reads slower than the Skill speaks."""
        self._sent += 1
        await self.response.write(data)

    async def close(self) -> None:
        """Stop the heartbeat; aiohttp ends the response when the handler returns."""
        await self._tasks.close()

    async def _beat(self, seconds: float) -> None:
        while True:
            await self._beat_once(seconds)

    async def _beat_once(self, seconds: float) -> None:
        before = self._sent
        await asyncio.sleep(seconds)
        if self._sent == before:
            await self._comment()

    async def _comment(self) -> None:
        try:
            await self.response.write(sse.HEARTBEAT)
        except ConnectionError:
            _log.debug("a client left during a silent stream")  # its request is being cancelled


async def serve(request: web.Request, events: Events) -> web.StreamResponse:
    """
    Answer with *events*.

    Raises DaemonError while no guest has run (the caller hears a status); what a guest does
    wrong is an `error` event in a 200.
    """
    options = request.app[OPTIONS]
    async with aclosing(events):
        first = asyncio.ensure_future(anext(events, None))
        try:
            await asyncio.wait({first}, timeout=options.head_wait)
            _raise_early(first)
            stream = EventStream(request, heartbeat=options.heartbeat)
            await stream.open()
            await relay(request, stream, _pump(stream, first, events))
        finally:
            await _settle(first)
    return stream.response


def _raise_early(first: "asyncio.Future[StreamEvent | None]") -> None:
    error = first.exception() if first.done() else None
    if error is None or (isinstance(error, DaemonError) and error.kind not in BEFORE_THE_CALL):
        return
    raise error


async def _settle(first: "asyncio.Future[StreamEvent | None]") -> None:
    """Wait until the generator is at rest: only then can it be closed."""
    if not first.done():
        first.cancel()
        await asyncio.wait({first})
    if not first.cancelled():
        first.exception()  # told already, or the client left before it could be


async def relay(
    request: web.Request,
    stream: EventStream,
    pump: Coroutine[Any, Any, None],
    *,
    error: Callable[[DaemonError], bytes] = sse.error,
) -> None:
    """Let *pump* send what there is to say; what goes wrong is the last event, by *error*."""

    async def last(failure: DaemonError) -> None:
        request.app[SERVICES].failed(failure.kind)
        await stream.send(error(failure))

    try:
        await pump
    except DaemonError as failure:
        await last(failure)
    except ConnectionError:
        _log.debug("a client left its stream")
    except asyncio.CancelledError:
        if not request.app[DRAIN].expired:
            raise
        await last(shutting_down())
    except Exception:  # the edge: in the middle of a stream, a bug of ours is an event as well
        _log.exception("stream of %s failed", request.path)
        await last(DaemonError(ErrorKind.INTERNAL, INTERNAL))
    finally:
        await stream.close()


async def _pump(
    stream: EventStream, first: "asyncio.Future[StreamEvent | None]", events: Events
) -> None:
    item = await first
    if item is None:
        return
    await stream.send(sse.encode(item))
    async for item in events:
        await stream.send(sse.encode(item))


INTERNAL = "The server failed on this request; its log says why."
