"""
Threads for calls: one each, used again, with stacks that guests fit on.

Leaves out any bound: how many calls a worker gets is the parent's decision.
"""

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

STACK = 4 << 20
"""wasmtime gives guests 512 KiB of the thread's own stack; with less than 1 MiB they crash it."""


Job = Callable[[], None]


class Threads:
    """Owned by the worker. Jobs must not raise: what they can't handle ends the process."""

    def __init__(self, *, keep: float = 10.0) -> None:
        """*keep*: seconds after which an idle thread ends: its stack holds what a guest touched."""
        threading.stack_size(STACK)
        self._keep = keep
        self._idle: deque[SimpleQueue[Job]] = deque()
        self._active: set[SimpleQueue[Job]] = set()

    @property
    def busy(self) -> bool:
        """Whether a job runs; one that was given to a new thread may not have begun."""
        return bool(self._active)

    def run(self, job: Job) -> bool:
        """Run *job* on a thread of its own, at once; False where the system has no more threads."""
        try:
            self._idle.pop().put(job)  # the one that waited least: its caches are warm
        except IndexError:
            thread = threading.Thread(target=self._serve, args=(job,), name="call", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
        return True

    def _serve(self, first: Job) -> None:
        jobs: SimpleQueue[Job] = SimpleQueue()
        job: Job | None = first
        while job is not None:
            self._active.add(jobs)
            job()
            self._active.discard(jobs)
            self._idle.append(jobs)
            job = self._next(jobs)

    def _next(self, jobs: SimpleQueue[Job]) -> Job | None:
        """Wait for the next job; None to end."""
        try:
            return jobs.get(timeout=self._keep)
        except Empty:
            pass
        try:
            self._idle.remove(jobs)
        except ValueError:  # `run` was quicker: the job is on its way
            return jobs.get()
        return None
