"""
Background tasks with a name and an owner.

A bare `asyncio.create_task` may be garbage-collected while it runs and loses its exception.
Leaves out supervision: a task whose failure must end the process is spawned as `fatal`, and its
owner is given whom to tell (the app).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """The background tasks of one owner; `close` cancels them and waits."""

    def __init__(self, *, on_fatal: Callable[[BaseException], None] | None = None) -> None:
        """*on_fatal* hears of a task that failed although it was spawned as fatal."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_fatal = on_fatal

    def spawn(
        self, coroutine: Coroutine[Any, Any, Any], *, name: str, fatal: bool = False
    ) -> asyncio.Task[Any]:
        """
        Run *coroutine* in the background, kept alive here; a failure is logged, never lost.

        *fatal*: *on_fatal* hears of it too. Raises ValueError if there is none.
        """
        if fatal and self._on_fatal is None:
            coroutine.close()
            raise ValueError(f"task {name!r} is fatal, but nobody would hear of it: give on_fatal")
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, fatal=fatal))
        return task

    def _finished(self, task: asyncio.Task[Any], *, fatal: bool) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        _log.error("background task %r failed", task.get_name(), exc_info=error)
        if fatal and self._on_fatal is not None:
            self._on_fatal(error)

    async def close(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        pending = list(self._tasks)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._tasks)


async def to_the_end(work: Callable[[], T]) -> T:
    """
    Run *work* in a thread, as `asyncio.to_thread` does, but wait for its end also when cancelled.

    For what is undone in a `finally`: that must not overtake what it undoes.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    finally:
        await asyncio.wait([thread])
