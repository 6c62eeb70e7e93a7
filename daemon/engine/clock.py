"""
The epoch clock: a tick about every 10 ms while guests run.

A tick makes running guests come by their call's `tick`, which ends them when they have to. Guests
that can't come by, because they sleep in WASI, are found here: the slot is taken from them, and
when their time is over they are given up. Leaves out what giving up means (`workers/worker`).
"""

import threading
import time
from collections.abc import Callable

from daemon.engine.call import Call
from daemon.engine.gate import Gate

TICK = 0.01
_PATIENCE = 10
"""Ticks without a sign of computing after which the slot's holder is taken for asleep."""
_GRACE = 5
"""Ticks that a guest has to end when its time is over, before it is given up."""
_LINGER = 100
"""Ticks that the clock goes on when nothing runs: the next call is probably near."""


class Clock:
    """Owns its thread and the set of calls that are in guest code."""

    def __init__(
        self, *, gate: Gate, advance: Callable[[], None], give_up: Callable[[Call], None]
    ) -> None:
        """*advance* increments the engine's epoch; *give_up* must not block."""
        self._gate = gate
        self._advance = advance
        self._give_up = give_up
        self._watched: set[Call] = set()
        self._idle = 0
        self._asleep = False
        self._wake = threading.Event()

    def start(self) -> None:
        """Tick for as long as the process lives."""
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def watch(self, call: Call) -> None:
        """Tick at least until `release`, and give *call* up if its guest can't be stopped."""
        self._watched.add(call)
        if self._asleep:
            self._wake.set()

    def release(self, call: Call) -> None:
        """*call* has left guest code for good."""
        self._watched.discard(call)

    def _run(self) -> None:
        while True:
            if self._idle >= _LINGER:
                self._sleep()
            time.sleep(TICK)
            self.tick_once()

    def _sleep(self) -> None:
        self._asleep = True
        self._wake.clear()
        if not self._watched:  # else `watch` came before `_asleep` was set
            self._wake.wait()
        self._asleep = False
        self._idle = 0

    def tick_once(self) -> None:
        """Advance the epoch, take the slot from sleepers, give up what can't be stopped."""
        gate = self._gate
        gate.tick += 1
        self._advance()
        self._idle = 0 if self._watched else self._idle + 1
        holder = gate.holder
        if holder is not None and gate.tick - holder.beat > _PATIENCE:
            gate.leave(holder)
        for call in tuple(self._watched):
            self._check(call)

    def _check(self, call: Call) -> None:
        if call.settled or call.verdict() is None:
            return
        call.overdue += 1
        if call.overdue > _GRACE:
            self._give_up(call)
