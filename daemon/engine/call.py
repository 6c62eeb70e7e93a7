"""
A call in flight, seen from the thread that runs its guest and from those that steer it.

Holds its deadline, its stop flag, the error that ended it and its place at the gate. The error is
kept here because an exception that travels through wasmtime may surface in another call. Leaves
out what the guest does (`execute`) and how its requests travel (`Host`).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from daemon.csi.interface import Reply, Request
from daemon.engine.gate import Gate, Turn
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import StreamEvent

_QUANTUM = 5
"""Ticks that a guest may compute while others wait, before it lines up again."""


class Host(Protocol):
    """Who answers a guest. Both methods may block; the slot is not held meanwhile."""

    def ask(self, call: "Call", request: Request) -> Reply:
        """Answer *request*. Raises DaemonError, which ends the guest."""
        ...

    def emit(self, call: "Call", event: StreamEvent) -> None:
        """Pass on an item of the guest's stream. Raises DaemonError, which ends the guest."""
        ...


class Call:
    """Owned by the thread that runs it; `stop` and `settle` may come from any thread."""

    def __init__(self, *, number: int, timeout: float, gate: Gate, host: Host) -> None:
        self.number = number
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.error: BaseException | None = None
        self.turn = Turn()
        self.overdue = 0
        """Ticks since it had to end; counted by the clock."""
        self._gate = gate
        self._host = host
        self._stopped: DaemonError | None = None
        self._unsettled = threading.Lock()
        self.wake = _nothing
        """Ends the host's waiting for this call, set while it waits."""

    # By any thread.

    def stop(self, error: DaemonError) -> None:
        """Make the guest end with *error* as soon as it can be reached."""
        if self._stopped is None:
            self._stopped = error
        self._gate.turn_away(self.turn)
        self.wake()

    def settle(self) -> bool:
        """Claim the right to report how the call ended: True once."""
        return self._unsettled.acquire(blocking=False)

    @property
    def settled(self) -> bool:
        """Whether the end was reported: what still runs is of interest to nobody."""
        return self._unsettled.locked()

    def verdict(self) -> DaemonError | None:
        """Why the guest has to end now, if it has."""
        if self._stopped is not None:
            return self._stopped
        if time.monotonic() >= self.deadline:
            return self.exceeded()
        return None

    def exceeded(self) -> DaemonError:
        """The error of a call that ran out of time."""
        return DaemonError(
            ErrorKind.DEADLINE_EXCEEDED,
            f"The Skill did not finish within its time limit of {self.timeout:g} s.",
        )

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, not below zero."""
        return max(0.0, self.deadline - time.monotonic())

    # By the thread that runs the guest.

    def begin(self, *, resumed: bool = False) -> None:
        """Wait for the slot. Raises DaemonError if the call has to end instead."""
        entered = False
        while not entered:
            entered = self._gate.enter(self.turn, timeout=self.remaining, resumed=resumed)
            error = self.verdict()
            if error is not None:
                self._gate.leave(self.turn)
                raise error
            # On a starved machine the clock may have taken the slot again before this thread ran.
            resumed = True

    def end(self) -> None:
        """Give the slot back."""
        self._gate.leave(self.turn)

    def tick(self) -> None:
        """Called about every tick while the guest computes. Raises DaemonError to end it."""
        error = self.verdict()
        if error is not None:
            raise error
        gate, turn = self._gate, self.turn
        if gate.holder is not turn:
            self.begin(resumed=True)  # it slept in WASI and lost the slot
            return
        turn.beat = gate.tick
        if gate.crowded and gate.tick - turn.since >= _QUANTUM:
            gate.leave(turn)
            self.begin()

    def ask(self, request: Request) -> Reply:
        """Ask the host for the guest."""
        with self.waiting():
            return self._host.ask(self, request)

    def emit(self, event: StreamEvent) -> None:
        """Pass on what the guest streams. The host decides whether that means waiting."""
        self._host.emit(self, event)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Give up the slot for a while. Left with an error, the guest ends: no slot needed."""
        error = self.verdict()
        if error is not None:
            raise error
        self._gate.leave(self.turn)
        yield
        self.begin(resumed=True)


def _nothing() -> None:
    """Nobody waits."""


_running = threading.local()


def current() -> Call:
    """The call whose guest runs on this thread."""
    call: Call = _running.call
    return call


@contextmanager
def running(call: Call) -> Iterator[None]:
    """Make *call* the `current` one of this thread."""
    _running.call = call
    try:
        yield
    finally:
        del _running.call
