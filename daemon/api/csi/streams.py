"""
Carries the events of a model's stream to one client.

The head is sent at once, so a backend's failure is an `error` event, as clients of this interface
expect. No comments are sent in silence: the public SDK can't read them. A client that leaves
closes the upstream stream. Leaves out which events there are (`events`).
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from daemon.api import sse
from daemon.api.csi.events import Tell
from daemon.api.streams import EventStream, relay
from daemon.csi.interface import InferenceEvent
from daemon.errors import DaemonError


async def serve(
    request: web.Request, said: AsyncGenerator[InferenceEvent, None], tell: Tell
) -> web.StreamResponse:
    """Answer with what was *said*, as *tell* puts it."""
    stream = EventStream(request, heartbeat=None)
    async with aclosing(said):
        await stream.open()
        await relay(request, stream, _pump(stream, said, tell), error=error)
    return stream.response


async def _pump(
    stream: EventStream, said: AsyncGenerator[InferenceEvent, None], tell: Tell
) -> None:
    async for one in said:
        event = tell(one)
        if event is not None:
            await stream.send(sse.event(*event))


def error(failure: DaemonError) -> bytes:
    """The last event of a stream that failed: exactly the contract's."""
    return sse.event("error", {"message": failure.detail})
