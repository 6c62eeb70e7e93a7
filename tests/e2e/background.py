"""Asynchronous servers for tests that block: each in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

_T = TypeVar("_T")


@contextmanager
def in_background(server: AbstractAsyncContextManager[_T]) -> Iterator[_T]:
    """Enter *server* in another thread, serve for the length of the block, leave it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="background")
    thread.start()

    def wait(work: "asyncio._CoroutineLike[_T]") -> _T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    try:
        yield wait(server.__aenter__())
    finally:
        wait(server.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
