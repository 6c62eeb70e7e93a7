"""
Threads for calls: one each, used again, with stacks that guests fit on.

Leaves out any bound: how many calls a worker gets is the parent's decision.
"""

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

STACK = 4 << 20
"""wasmtime gives guests 512 KiB of the thread's own stack; with less than 1 MiB they crash it."""


class Threads:
    """Owned by the worker. Jobs must not raise: what they can't handle ends the process."""

    def __init__(self) -> None:
        threading.stack_size(STACK)
        self._idle: deque[SimpleQueue[Callable[[], None]]] = deque()

    def run(self, job: Callable[[], None]) -> None:
        """Run *job* on a thread of its own, at once."""
        try:
            self._idle.pop().put(job)  # the one that waited least: its caches are warm
        except IndexError:
            threading.Thread(target=self._serve, args=(job,), name="call", daemon=True).start()

    def _serve(self, job: Callable[[], None]) -> None:
        jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        while True:
            job()
            self._idle.append(jobs)
            job = jobs.get()
