"""Admission, fairness and load: examples, then the invariants under any sequence of events."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.errors import DaemonError, ErrorKind
from daemon.workers.dispatch import Bounds, Dispatcher, Slot, State, Ticket


def dispatcher(*slots: Slot, **bounds: int) -> Dispatcher[Ticket]:
    """A dispatcher with these workers."""
    made: Dispatcher[Ticket] = Dispatcher(Bounds(**bounds))
    for slot in slots:
        made.open(slot)
    return made


def ticket(skill: str = "one", artifact: str = "a", share: int = 100) -> Ticket:
    """A new call."""
    return Ticket(skill, artifact, share=share)


def test_least_loaded_worker_gets_the_call() -> None:
    """Among equals the one that was idle for longest: it had time to make warm instances."""
    first, second = Slot(1), Slot(2)
    made = dispatcher(first, second)
    assert [made.admit(ticket()) for _ in range(4)] == [first, second, first, second]


def test_workers_get_no_more_than_their_depth() -> None:
    """The rest queues in the order of arrival, and follows as places become free."""
    slot = Slot(1)
    made = dispatcher(slot, depth=2)
    calls = [ticket() for _ in range(4)]
    assert [made.admit(call) for call in calls] == [slot, slot, None, None]

    assert made.next() is None
    made.leave(calls[0])

    assert made.next() is calls[2]
    assert made.next() is None
    assert (slot.running, made.queued) == (2, 1)


def test_waiting_for_the_host_is_no_load() -> None:
    """A place is free meanwhile; back from its host, a call runs even if it is one too many."""
    slot = Slot(1)
    made = dispatcher(slot, depth=1)
    waiting, other = ticket(), ticket()
    made.admit(waiting)
    made.wait(waiting)

    assert made.admit(other) is slot
    made.resume(waiting)

    assert (slot.running, slot.waiting) == (2, 0)
    made.leave(other)
    assert made.admit(ticket()) is None


def test_skills_take_turns() -> None:
    """A burst of ten delays the two others by one call each."""
    slot = Slot(1)
    made = dispatcher(slot, depth=1)
    made.admit(running := ticket())
    burst = [ticket("burst") for _ in range(10)]
    others = [ticket("b"), ticket("c")]
    for call in (*burst, *others):
        made.admit(call)

    served: list[object] = []
    while made.queued:
        made.leave(running)
        running = made.next() or pytest.fail("nothing to run")
        served.append(running.skill)

    assert served[:4] == ["burst", "b", "c", "burst"]
    assert served.count("burst") == 10


def test_long_running_calls_make_room_up_to_a_bound() -> None:
    """They still count as load, so that other workers are preferred."""
    slot, other = Slot(1), Slot(2)
    made = dispatcher(slot, depth=1, slow=1)
    made.admit(first := ticket())

    assert made.age(first)
    assert not made.age(first)
    assert made.admit(second := ticket()) is slot
    assert not made.age(second)

    made.open(other)
    assert made.admit(ticket()) is other


def test_artifact_that_a_worker_lacks_goes_elsewhere() -> None:
    """And does not hold up those behind it."""
    slot = Slot(1, missing={"odd"})
    made = dispatcher(slot)
    odd, plain = ticket("x", "odd"), ticket("y", "a")
    assert made.admit(odd) is None
    assert made.admit(plain) is slot
    assert made.next() is None

    made.open(complete := Slot(2))
    assert made.next() is odd
    assert odd.slot is complete


def test_share_of_a_skill_is_bounded() -> None:
    """It counts unanswered calls, also queued ones, and only those."""
    made = dispatcher(Slot(1), depth=1)
    first, second = ticket(share=2), ticket(share=2)
    made.admit(first)
    made.admit(second)

    with pytest.raises(DaemonError, match="2 unanswered calls") as caught:
        made.admit(ticket(share=2))
    assert caught.value.kind is ErrorKind.TOO_MANY_CALLS
    assert caught.value.retry_after == 1.0

    made.answer(first)
    made.admit(ticket(share=2))


@pytest.mark.parametrize("bounds", [{"calls": 2}, {"queue": 1}])
def test_everything_is_bounded(bounds: dict[str, int]) -> None:
    """Calls in flight, and calls in the queue."""
    made = dispatcher(Slot(1), depth=1, **bounds)
    made.admit(ticket())
    made.admit(ticket("two"))
    with pytest.raises(DaemonError) as caught:
        made.admit(ticket("three"))
    assert caught.value.kind is ErrorKind.OVERLOADED
    assert caught.value.retry_after == 1.0


def test_answered_call_keeps_its_place_until_the_worker_is_done_with_it() -> None:
    """Else a cancelled endless loop would be given company."""
    slot = Slot(1)
    made = dispatcher(slot, depth=1)
    made.admit(call := ticket())

    made.answer(call)
    assert made.calls == 0
    assert made.admit(ticket()) is None

    made.leave(call)
    assert made.next() is not None


def test_call_of_a_lost_worker_comes_first_again() -> None:
    """Before younger ones of its Skill."""
    slot = Slot(1)
    made = dispatcher(slot, depth=1)
    made.admit(old := ticket())
    made.admit(ticket())

    made.close(slot)
    made.close(slot)
    made.requeue(old)
    made.open(Slot(2))

    assert made.next() is old


class Traffic(RuleBasedStateMachine):
    """Any sequence of calls and workers that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Dispatcher[Ticket] = Dispatcher(Bounds(depth=2, slow=1, calls=12, queue=6))
        self.calls: list[Ticket] = []
        self.slots: list[Slot] = []
        self.open_slots: list[Slot] = []

    def some(self, data: st.DataObject, *states: State) -> Ticket | None:
        """One of the calls in these states."""
        fitting = [call for call in self.calls if call.state in states]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @rule()
    def open(self) -> None:
        self.slots.append(Slot(len(self.slots)))
        self.open_slots.append(self.slots[-1])
        self.made.open(self.slots[-1])

    @precondition(lambda self: self.open_slots)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.open_slots))
        self.open_slots.remove(slot)
        self.made.close(slot)
        for call in [one for one in self.calls if one.slot is slot]:
            if call.admitted:
                self.made.requeue(call)
            else:
                self.made.leave(call)
        assert (slot.running, slot.slow, slot.waiting) == (0, 0, 0)

    @rule(skill=st.sampled_from("abc"))
    def admit(self, skill: str) -> None:
        call = ticket(skill, share=5)
        try:
            slot = self.made.admit(call)
        except DaemonError as error:
            assert error.kind in {ErrorKind.OVERLOADED, ErrorKind.TOO_MANY_CALLS}
            assert call.state is State.NEW
            return
        assert call.slot is slot
        self.calls.append(call)

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        if call := self.some(data, State.RUNNING, State.SLOW):
            self.made.wait(call)

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        if call := self.some(data, State.WAITING):
            self.made.resume(call)

    @rule(data=st.data())
    def age(self, data: st.DataObject) -> None:
        if call := self.some(data, State.RUNNING):
            self.made.age(call)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if call := self.some(data, State.QUEUED, State.RUNNING, State.WAITING):
            if call.state is State.QUEUED:
                self.made.leave(call)
            self.made.answer(call)

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        if call := self.some(data, State.RUNNING, State.SLOW, State.WAITING):
            self.made.leave(call)
            self.made.answer(call)

    @rule()
    def pump(self) -> None:
        before = self.made.queued
        placed = 0
        while (call := self.made.next()) is not None:
            placed += 1
            assert call.slot in self.open_slots
        assert self.made.queued == before - placed

    @invariant()
    def counts_are_those_of_the_calls(self) -> None:
        for slot in self.slots:
            for state, count in (
                (State.RUNNING, slot.running),
                (State.SLOW, slot.slow),
                (State.WAITING, slot.waiting),
            ):
                mine = [one for one in self.calls if one.slot is slot and one.state is state]
                assert len(mine) == count
        assert self.made.calls == sum(call.admitted for call in self.calls)
        assert self.made.queued == sum(call.state is State.QUEUED for call in self.calls)
        assert len(self.made.waiting()) == self.made.queued

    @invariant()
    def bounds_hold(self) -> None:
        assert self.made.calls <= 12
        for skill in "abc":
            assert sum(call.admitted for call in self.calls if call.skill == skill) <= 5
        assert all(slot.slow <= 1 for slot in self.slots)


Traffic.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTraffic = Traffic.TestCase
