"""
Threads for computations that nobody can stop: a text of a few megabytes may keep one for minutes.

Apart from the threads of `asyncio.to_thread`, which files, credentials and reconciliation need, and
few, so that some cores' worth of such texts is all that runs at a time. The end of the process does
not wait for them. Leaves out what is computed; it should release the GIL, as all else needs that.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

_T = TypeVar("_T")


class Threads:
    """Owned by the driver that computes; used from one event loop."""

    def __init__(self, name: str, *, most: int | None = None) -> None:
        """*most*: how many computations run at a time, by default one per core."""
        self._name = name
        self._slots = asyncio.Semaphore(most or os.cpu_count() or 1)

    async def run(self, compute: Callable[[], _T]) -> _T:
        """Wait for a slot, then run *compute*. Cancelled meanwhile, it goes on in its slot."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()

        def settle(settled: Callable[[], None]) -> None:
            self._slots.release()
            if not done.cancelled():
                settled()

        def work() -> None:
            settled: Callable[[], None]
            try:
                settled = partial(done.set_result, compute())
            except BaseException as error:  # raised again where it is awaited
                settled = partial(done.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, settled)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return await done
