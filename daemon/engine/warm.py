"""
Instances made ahead of their calls, in idle time: the call then only pays for what it computes.

An instance serves one call, like those made for it: no state leaks. Leaves out how many are worth
their memory (the parent's decision), and what a call does with one (`execute`).
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from daemon.engine import describe
from daemon.engine.call import Call, running
from daemon.engine.clock import Clock
from daemon.engine.gate import Gate
from daemon.engine.instance import Instance, release
from daemon.engine.loaded import Loaded
from daemon.errors import DaemonError

_TIMEOUT = 10.0


@dataclass(slots=True, eq=False)
class _Shelf:
    """The spares of one artifact. Owned by `Spares`."""

    skill: Loaded
    wanted: int
    memory: int
    touch: bool
    ready: deque[Instance] = field(default_factory=deque)


class Spares:
    """Owns the instances that wait for a call, and makes one at a time when nobody computes."""

    def __init__(
        self, *, gate: Gate, clock: Clock, run: Callable[[Callable[[], None]], bool]
    ) -> None:
        """*run* gives a job a thread of its own; False if there is none."""
        self._gate = gate
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._shelves: dict[str, _Shelf] = {}
        self._rehearsal: tuple[Call, _Shelf] | None = None

    def want(self, artifact: str, skill: Loaded, *, instances: int, memory: int) -> None:
        """Keep so many instances with a cap of *memory* bytes; 0 keeps none."""
        self.forget(artifact)
        if instances:
            shelf = _Shelf(skill, instances, memory, touch=skill.metadata is not None)
            with self._lock:
                self._shelves[artifact] = shelf
            self.restock()

    def forget(self, artifact: str) -> None:
        """Free what is kept of this artifact."""
        with self._lock:
            shelf = self._shelves.pop(artifact, None)
        if shelf is not None:
            clear = partial(_clear, shelf)
            if not self._run(clear):
                clear()

    def take(self, artifact: str, skill: Loaded, *, memory: int) -> Instance | None:
        """
        Return a spare of *skill* with this very cap, ready to run; None if there is none.

        An artifact that was unloaded and loaded again is another *skill*: its exports can't be
        found in instances of the first one.
        """
        shelf = self._shelves.get(artifact)
        if shelf is None or shelf.skill is not skill or shelf.memory != memory:
            return None
        try:
            instance = shelf.ready.popleft()
        except IndexError:
            return None
        instance.arm()
        return instance

    def restock(self) -> None:
        """Make what is missing, if nobody computes. Cheap when nothing is missing; never waits."""
        if self._gate.holder is not None or self._rehearsal is not None:
            return
        with self._lock:
            shelf = self._lacking()
            if shelf is None or self._rehearsal is not None:
                return
            call = Call(number=0, timeout=_TIMEOUT, gate=self._gate, host=describe.NoHost())
            self._rehearsal = call, shelf
        if not self._run(partial(self._make, call, shelf)):
            self._rehearsal = None

    def gave_up(self, call: Call) -> bool:
        """Take note that the guest of *call* can't be stopped; False if it isn't one of ours."""
        with self._lock:
            rehearsal = self._rehearsal
            if rehearsal is None or rehearsal[0] is not call:
                return False
            rehearsal[1].wanted = 0
            self._rehearsal = None
        return True

    def _lacking(self) -> _Shelf | None:
        missing = (one for one in self._shelves.values() if len(one.ready) < one.wanted)
        return min(missing, key=lambda one: len(one.ready), default=None)

    def _make(self, call: Call, shelf: _Shelf) -> None:
        if self._gate.enter_idle(call.turn):
            self._clock.watch(call)
            try:
                self._fill(call, shelf)
            finally:
                self._clock.release(call)
                call.end()
        with self._lock:
            if self._rehearsal is not None and self._rehearsal[0] is call:
                self._rehearsal = None
        self.restock()

    def _fill(self, call: Call, shelf: _Shelf) -> None:
        try:
            instance = self._prepare(call, shelf)
        except DaemonError:
            # The call that needs it will meet the same error, and report it.
            shelf.wanted = shelf.wanted if shelf.touch else 0
            shelf.touch = False
            return
        if call.settle() and self._shelves_hold(shelf):
            shelf.ready.append(instance)
        else:
            instance.close()

    def _prepare(self, call: Call, shelf: _Shelf) -> Instance:
        """Make an instance; call `metadata` if nobody waits: it brings in pages of `run`, too."""
        with running(call):
            instance = shelf.skill.instantiate(memory=shelf.memory, call=call)
            if shelf.touch and not self._gate.crowded:
                try:
                    release(describe.touch(call, shelf.skill, instance))
                except BaseException:
                    instance.close()
                    raise
        return instance

    def _shelves_hold(self, shelf: _Shelf) -> bool:
        return any(one is shelf for one in tuple(self._shelves.values()))


def _clear(shelf: _Shelf) -> None:
    shelf.wanted = 0
    while shelf.ready:
        shelf.ready.popleft().close()
