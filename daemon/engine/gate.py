"""
The one CPU slot of a worker: who may run guest code now.

Two guests at once in one process are slower than one after the other, so a call holds the slot
while its guest computes and gives it back while it waits for its host. Those who come back go
before those who start, else all calls would be begun before any is finished. Leaves out why
somebody waits too long (`call`) and who sleeps in the slot (`clock`).
"""

import threading
from collections import deque


class Turn:
    """A call's place in the queue for the slot. Owned by the `Gate`; waited on by one thread."""

    __slots__ = ("_granted", "beat", "since")

    def __init__(self) -> None:
        self._granted = threading.Lock()
        self._granted.acquire()
        self.beat = 0
        """The tick at which the holder was last seen to compute."""
        self.since = 0
        """The tick at which the slot was granted."""


class Gate:
    """Hands the slot over directly, resumed turns first, each queue in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resumed: deque[Turn] = deque()
        self._new: deque[Turn] = deque()
        self._holder: Turn | None = None
        self.tick = 0
        """The clock's current tick, written by the clock alone."""

    @property
    def holder(self) -> Turn | None:
        """Who has the slot."""
        return self._holder

    @property
    def crowded(self) -> bool:
        """Whether somebody waits."""
        return bool(self._resumed or self._new)

    def enter(self, turn: Turn, *, timeout: float, resumed: bool = False) -> bool:
        """Wait for the slot; False if *timeout* seconds passed or the turn was turned away."""
        with self._lock:
            if self._holder is None:
                self._grant(turn)
                return True
            (self._resumed if resumed else self._new).append(turn)
        if turn._granted.acquire(timeout=max(0.0, min(timeout, threading.TIMEOUT_MAX))):
            return self._holder is turn
        with self._lock:
            if self._forget(turn):
                return False
        turn._granted.acquire()  # granted or turned away since the timeout
        return self._holder is turn

    def enter_idle(self, turn: Turn) -> bool:
        """Take the slot if nobody has it; for work that must not keep a call waiting."""
        with self._lock:
            if self._holder is not None:
                return False
            self._grant(turn)
            return True

    def leave(self, turn: Turn) -> bool:
        """Give the slot to the next in line; False if *turn* did not have it (any more)."""
        with self._lock:
            if self._holder is not turn:
                return False
            following = self._resumed or self._new
            if not following:
                self._holder = None
                return True
            successor = following.popleft()
            self._grant(successor)
            successor._granted.release()
            return True

    def turn_away(self, turn: Turn) -> None:
        """End the waiting of *turn*, if it waits."""
        with self._lock:
            if self._forget(turn):
                turn._granted.release()

    def _grant(self, turn: Turn) -> None:
        self._holder = turn
        turn.beat = turn.since = self.tick

    def _forget(self, turn: Turn) -> bool:
        for queue in (self._resumed, self._new):
            if turn in queue:
                queue.remove(turn)
                return True
        return False
