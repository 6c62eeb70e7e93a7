"""
The requests in flight, and how they end when the server stops.

Leaves out the sockets (`server`). A request that outlives the deadline is cancelled and told so:
a stream by an `error` event, others by a 503.
"""

import asyncio
from typing import Any

from aiohttp import web

from daemon.errors import DaemonError, ErrorKind

_LAST_WORDS = 2.0  # seconds to tell clients that their call was cut off


class Drain:
    """Owned by the server; the requests add and remove themselves."""

    def __init__(self) -> None:
        self.in_flight: set[asyncio.Task[Any]] = set()
        self.closing = False  # no longer ready; what is in flight may finish
        self.expired = False  # the deadline is over: cancelled requests say why
        self._hurry = asyncio.Event()

    def close(self) -> None:
        """Begin to stop."""
        self.closing = True

    def hurry(self) -> None:
        """Don't wait for the deadline."""
        self._hurry.set()

    async def finish(self, *, grace: float) -> None:
        """Wait for the requests in flight, at most *grace* seconds; then cut them off."""
        self.close()
        await self._wait(grace)
        self.expired = True
        for task in self.in_flight:
            task.cancel("shutting down")
        if self.in_flight:
            await asyncio.wait(set(self.in_flight), timeout=_LAST_WORDS)

    async def _wait(self, grace: float) -> None:
        hurry = asyncio.ensure_future(self._hurry.wait())
        idle = asyncio.ensure_future(self._idle())
        try:
            await asyncio.wait({hurry, idle}, timeout=grace, return_when="FIRST_COMPLETED")
        finally:
            hurry.cancel()
            idle.cancel()
            await asyncio.wait({hurry, idle})

    async def _idle(self) -> None:
        while self.in_flight:
            await asyncio.wait(set(self.in_flight))


def shutting_down() -> DaemonError:
    """What the caller of a request hears that was cut off."""
    return DaemonError(
        ErrorKind.SHUTTING_DOWN, "The server is shutting down and ended this call. Try again."
    )


DRAIN = web.AppKey("drain", Drain)
