"""When a call has to end, and what it does with the slot meanwhile."""

import threading

import pytest

from daemon.csi import interface as csi
from daemon.engine.call import Call, current, running
from daemon.engine.gate import Gate, Turn
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageBegin, StreamEvent


class _Host:
    """Answers at once, and notes who held the slot."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.holders: list[Turn | None] = []

    def ask(self, call: Call, request: csi.Request) -> csi.Reply:
        self.holders.append(self._gate.holder)
        return csi.StreamClosed()

    def emit(self, call: Call, event: StreamEvent) -> None:
        self.holders.append(self._gate.holder)


def _call(gate: Gate, *, timeout: float = 30.0) -> tuple[Call, _Host]:
    host = _Host(gate)
    return Call(number=1, timeout=timeout, gate=gate, host=host), host


def test_asking_the_host_hands_the_slot_back_and_takes_it_again() -> None:
    """Speaking does not: the host decides whether that means waiting."""
    gate = Gate()
    call, host = _call(gate)
    call.begin()

    call.ask(csi.ListTools())
    call.emit(MessageBegin())

    assert host.holders == [None, call.turn]
    assert gate.holder is call.turn


class _StarvedGate(Gate):
    """Its first turn is taken away before its thread wakes, as the clock does with sleepers."""

    starved = False

    def enter(self, turn: Turn, *, timeout: float, resumed: bool = False) -> bool:
        entered = super().enter(turn, timeout=timeout, resumed=resumed)
        if self.starved:
            return entered
        self.starved = True
        self.leave(turn)
        return False


def test_a_call_that_lost_the_slot_before_it_ran_lines_up_again() -> None:
    """A starved machine is no reason to say that its time is over."""
    gate = _StarvedGate()
    call, _ = _call(gate)

    call.begin()

    assert gate.starved
    assert gate.holder is call.turn


def test_a_stopped_call_ends_at_the_next_tick_with_the_first_reason() -> None:
    """A second reason changes nothing."""
    call, _ = _call(Gate())
    call.begin()
    call.tick()
    call.stop(DaemonError(ErrorKind.CANCELLED, "enough"))
    call.stop(DaemonError(ErrorKind.INTERNAL, "late"))

    with pytest.raises(DaemonError, match="enough"):
        call.tick()
    with pytest.raises(DaemonError, match="enough"):
        call.ask(csi.ListTools())


def test_a_call_without_time_never_begins() -> None:
    """Its place at the gate is free for the next."""
    gate = Gate()
    call, _ = _call(gate, timeout=0)

    with pytest.raises(DaemonError) as caught:
        call.begin()

    assert caught.value.kind is ErrorKind.DEADLINE_EXCEEDED
    assert gate.holder is None


def test_a_call_that_waits_for_the_slot_can_be_stopped() -> None:
    """Without ever getting it."""
    gate = Gate()
    gate.enter(Turn(), timeout=0)
    call, _ = _call(gate)
    errors: list[DaemonError] = []

    def begin() -> None:
        try:
            call.begin()
        except DaemonError as error:
            errors.append(error)

    thread = threading.Thread(target=begin)
    thread.start()
    while not gate.crowded:
        pass
    call.stop(DaemonError(ErrorKind.CANCELLED, "enough"))
    thread.join(30)

    assert [error.kind for error in errors] == [ErrorKind.CANCELLED]


def test_who_lost_the_slot_asleep_takes_it_again_at_its_next_tick() -> None:
    """It computes only while it has it."""
    gate = Gate()
    call, _ = _call(gate)
    call.begin()
    gate.leave(call.turn)

    call.tick()

    assert gate.holder is call.turn


def test_a_long_computation_lines_up_again_when_others_wait() -> None:
    """After its quantum, behind those who came first."""
    gate = Gate()
    call, other = _call(gate)[0], Turn()
    call.begin()
    order: list[str] = []

    def enter() -> None:
        gate.enter(other, timeout=30)
        order.append("other")
        gate.leave(other)

    thread = threading.Thread(target=enter)
    thread.start()
    while not gate.crowded:
        pass
    gate.tick += 1
    call.tick()
    assert gate.holder is call.turn
    gate.tick += 10
    call.tick()
    order.append("call")
    thread.join(30)

    assert order == ["other", "call"]


def test_only_one_reports_how_a_call_ended() -> None:
    """Either its thread, or the clock that gave it up."""
    call, _ = _call(Gate())

    assert [call.settle(), call.settle()] == [True, False]
    assert call.settled


def test_the_current_call_is_that_of_the_thread() -> None:
    """And only while it runs."""
    call, _ = _call(Gate())

    with running(call):
        assert current() is call
    with pytest.raises(AttributeError):
        current()
