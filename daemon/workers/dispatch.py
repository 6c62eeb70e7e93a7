"""
Who is admitted, who waits, and which worker takes the next call. Pure: no clock, no I/O.

A worker runs guest code on one core, so it is given few calls at a time and the rest wait here,
where they can still go to whichever worker is free first. Skills take turns in that queue: a burst
of one delays the others by one call each, not by the whole burst. Leaves out how a call reaches
its worker and when its time is up (`supervisor`).
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from daemon.errors import DaemonError, ErrorKind


class State(Enum):
    """Where a call is. Only `RUNNING` and `SLOW` ones use a core."""

    NEW = auto()
    QUEUED = auto()
    RUNNING = auto()
    SLOW = auto()
    WAITING = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Slot:
    """
    The load of one worker. Owned by its `Dispatcher`; others only read it.

    `missing` names artifacts which this worker could not load: their calls go elsewhere.
    """

    number: int
    running: int = 0
    slow: int = 0
    waiting: int = 0
    turn: int = 0
    missing: set[str] = field(default_factory=set)


class Ticket:
    """
    What the dispatcher knows of a call. `slot` and `state` are the dispatcher's to write.

    *skill* names whose turn it is, *artifact* what must be loaded, *share* how many calls of that
    Skill may be unanswered at a time.
    """

    __slots__ = ("admitted", "artifact", "share", "skill", "slot", "state")

    def __init__(self, skill: Hashable, artifact: str, *, share: int) -> None:
        self.skill = skill
        self.artifact = artifact
        self.share = share
        self.state = State.NEW
        self.slot: Slot | None = None
        self.admitted = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    How much is taken on at a time, in calls; `retry_after` in seconds, for those turned away.

    `depth`: running calls per worker; a second one hides the way to the worker and back. `slow`:
    how many calls that run for long a worker may keep on top of those, since they share its core
    in slices and must not block it for everybody else.
    """

    depth: int = 2
    slow: int = 8
    calls: int = 2048
    queue: int = 1024
    retry_after: float = 1.0


T = TypeVar("T", bound=Ticket)


class Dispatcher(Generic[T]):
    """The queue and the load of all workers. Owned by the supervisor."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._slots: list[Slot] = []
        self._queues: dict[Hashable, deque[T]] = {}  # the order of keys is the order of turns
        self._unanswered: dict[Hashable, int] = {}
        self._turn = 0
        self.calls = 0
        self.queued = 0

    # Workers come and go ---------------------------------------------------------------------

    def open(self, slot: Slot) -> None:
        """Give calls to this worker from now on."""
        self._slots.append(slot)

    def close(self, slot: Slot) -> None:
        """Give it no more; what runs there goes on. Closing twice is fine."""
        if slot in self._slots:
            self._slots.remove(slot)

    # Calls come ------------------------------------------------------------------------------

    def admit(self, ticket: T) -> Slot | None:
        """
        Take a call on: return the worker to send it to, or None if it has to queue.

        Raises DaemonError TOO_MANY_CALLS (the Skill's share is used up) or OVERLOADED.
        """
        unanswered = self._unanswered.get(ticket.skill, 0)
        if unanswered >= ticket.share:
            raise self._too_many_calls(ticket)
        if self.calls >= self._bounds.calls:
            raise self._overloaded(f"{self.calls} calls are being served, which is the most")
        slot = self._choose(ticket.artifact)
        if slot is None and self.queued >= self._bounds.queue:
            raise self._overloaded(f"{self.queued} calls are already waiting for a worker")
        self._unanswered[ticket.skill] = unanswered + 1
        self.calls += 1
        ticket.admitted = True
        if slot is None:
            self._queue(ticket).append(ticket)
        else:
            self._place(ticket, slot)
        return slot

    def next(self) -> T | None:
        """Return the next queued call, now placed on its `slot`; None if all have to wait."""
        if not self.queued or not any(self._has_room(slot) for slot in self._slots):
            return None
        for skill, waiting in self._queues.items():
            slot = self._choose(waiting[0].artifact)
            if slot is not None:
                ticket = waiting.popleft()
                self._end_turn(skill)
                self._place(ticket, slot)
                return ticket
        return None

    def requeue(self, ticket: T) -> None:
        """Its worker is gone: queue an admitted call again, first of its Skill."""
        self.leave(ticket)
        self._queue(ticket).appendleft(ticket)

    def waiting(self) -> tuple[T, ...]:
        """Return all queued calls."""
        return tuple(ticket for queue in self._queues.values() for ticket in queue)

    # Calls change ----------------------------------------------------------------------------

    def wait(self, ticket: T) -> None:
        """It waits for its host: its worker may run another one."""
        self._move(ticket, State.WAITING)

    def resume(self, ticket: T) -> None:
        """Its host has answered."""
        self._move(ticket, State.RUNNING)

    def age(self, ticket: T) -> bool:
        """It has been running for long; return whether that made room for another one."""
        slot = ticket.slot
        if slot is None or ticket.state is not State.RUNNING or slot.slow >= self._bounds.slow:
            return False
        self._move(ticket, State.SLOW)
        return True

    def answer(self, ticket: T) -> None:
        """Its caller has an answer: its share is free, even while a worker still labours on it."""
        if not ticket.admitted:
            return
        ticket.admitted = False
        self.calls -= 1
        left = self._unanswered[ticket.skill] - 1
        if left:
            self._unanswered[ticket.skill] = left
        else:
            del self._unanswered[ticket.skill]

    def leave(self, ticket: T) -> None:
        """It is queued or with a worker no more: its place is free."""
        if ticket.state is State.QUEUED:
            self._queues[ticket.skill].remove(ticket)
            self.queued -= 1
            if not self._queues[ticket.skill]:
                del self._queues[ticket.skill]
        elif ticket.slot is not None:
            _count(ticket.slot, ticket.state, -1)
        ticket.slot = None
        ticket.state = State.ENDED

    # Inside ----------------------------------------------------------------------------------

    def _has_room(self, slot: Slot) -> bool:
        return slot.running < self._bounds.depth

    def _choose(self, artifact: str) -> Slot | None:
        """Return the least loaded worker with room; among equals the one idle for longest."""
        best: Slot | None = None
        for slot in self._slots:
            if slot.running >= self._bounds.depth or artifact in slot.missing:
                continue
            if best is None or _load(slot) < _load(best):
                best = slot
        return best

    def _place(self, ticket: T, slot: Slot) -> None:
        self._turn += 1
        slot.turn = self._turn
        slot.running += 1
        ticket.slot = slot
        ticket.state = State.RUNNING

    def _move(self, ticket: T, state: State) -> None:
        slot = ticket.slot
        if slot is not None:
            _count(slot, ticket.state, -1)
            _count(slot, state, +1)
            ticket.state = state

    def _queue(self, ticket: T) -> deque[T]:
        self.queued += 1
        ticket.state = State.QUEUED
        return self._queues.setdefault(ticket.skill, deque())

    def _end_turn(self, skill: Hashable) -> None:
        """The head of this Skill's queue was taken: the Skill goes to the end of the line."""
        self.queued -= 1
        waiting = self._queues.pop(skill)
        if waiting:
            self._queues[skill] = waiting

    def _too_many_calls(self, ticket: T) -> DaemonError:
        return DaemonError(
            ErrorKind.TOO_MANY_CALLS,
            f"{ticket.skill} already has {ticket.share} unanswered calls, which is its share; "
            "try again later",
            retry_after=self._bounds.retry_after,
        )

    def _overloaded(self, why: str) -> DaemonError:
        return DaemonError(
            ErrorKind.OVERLOADED, f"{why}; try again later", retry_after=self._bounds.retry_after
        )


def _load(slot: Slot) -> tuple[int, int, int]:
    return (slot.running + slot.slow, slot.waiting, slot.turn)


def _count(slot: Slot, state: State, change: int) -> None:
    match state:
        case State.RUNNING:
            slot.running += change
        case State.SLOW:
            slot.slow += change
        case State.WAITING:
            slot.waiting += change
