"""
How long the process lives: until a signal, or until a vital task fails.

Signals are answered from the first moment on, also while the daemon starts. Leaves out what there
is to stop, and in which order (`app`).
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class End:
    """When and how the process ends. Owned by `app.serve`."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.status = 0

    def ask(self) -> bool:
        """End well; False if that was asked before."""
        first = not self._event.is_set()
        self._event.set()
        return first

    def fail(self, error: BaseException) -> None:
        """End because a vital task failed: whoever supervises us shall start us anew."""
        _log.critical("a vital task failed, stopping: %s", error)
        self.status = 1
        self._event.set()

    async def wait(self) -> None:
        """Wait for the end."""
        await self._event.wait()

    async def unless_before(self, start: Coroutine[Any, Any, _T]) -> _T | None:
        """Return what *start* returns, or None: the end came first, and *start* was cancelled."""
        loop = asyncio.get_running_loop()
        starting = loop.create_task(start, name="start")
        ending = loop.create_task(self.wait(), name="wait for an early end")
        try:
            await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, ending):
                task.cancel()
            await asyncio.wait((starting, ending))
        if starting.cancelled():
            _log.info("stopping: the end came during the start")
            return None
        return starting.result()


class Signals:
    """What signals do. Owned by `answering`; the app connects what there is once it has started."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._reload: Callable[[], None] | None = None
        self._hurry: Callable[[], None] | None = None
        self._reload_owed = False

    def connect(self, *, reload: Callable[[], None], hurry: Callable[[], None]) -> None:
        """Have SIGHUP call *reload*, also one that came before; a second SIGTERM calls *hurry*."""
        self._reload, self._hurry = reload, hurry
        if self._reload_owed:
            reload()

    def stop(self) -> None:
        """SIGTERM or SIGINT."""
        if self._end.ask():
            return
        _log.warning("asked twice: stopping now")
        if self._hurry is not None:
            self._hurry()

    def reload(self) -> None:
        """SIGHUP."""
        if self._reload is None:
            self._reload_owed = True
        else:
            self._reload()


@contextmanager
def answering(end: End) -> Iterator[Signals]:
    """SIGTERM and SIGINT end, the second one forces; SIGHUP rescans."""
    signals, loop = Signals(end), asyncio.get_running_loop()
    answers = {
        signal.SIGTERM: signals.stop,
        signal.SIGINT: signals.stop,
        signal.SIGHUP: signals.reload,
    }
    for number, answer in answers.items():
        loop.add_signal_handler(number, answer)
    try:
        yield signals
    finally:
        for number in answers:
            loop.remove_signal_handler(number)


def answer_before_the_start() -> None:
    """
    Exit with 0 on SIGTERM and SIGINT, ignore SIGHUP, until `answering` takes over.

    For the second that imports take: nothing is there yet to be stopped or rescanned. As process 1
    of a container, SIGTERM would have no effect otherwise.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, lambda *_: None)  # not SIG_IGN, which children would inherit
