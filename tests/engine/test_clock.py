"""Ticks: epochs advance, sleepers lose the slot, the unstoppable are given up."""

import threading

from daemon.engine.call import Call
from daemon.engine.clock import Clock
from daemon.engine.describe import NoHost
from daemon.engine.gate import Gate
from daemon.errors import DaemonError, ErrorKind


class _Stage:
    """A clock that is ticked by hand."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.epochs = 0
        self.given_up: list[Call] = []
        self.clock = Clock(gate=self.gate, advance=self._advance, give_up=self._give_up)
        self.ticked = threading.Event()

    def _advance(self) -> None:
        self.epochs += 1
        self.ticked.set()

    def _give_up(self, call: Call) -> None:
        call.settle()
        self.given_up.append(call)

    def call(self) -> Call:
        call = Call(number=1, timeout=30, gate=self.gate, host=NoHost())
        call.begin()
        self.clock.watch(call)
        return call


def test_a_holder_that_computes_keeps_the_slot() -> None:
    """Its own ticks are the sign of life."""
    stage = _Stage()
    call = stage.call()

    for _ in range(50):
        stage.clock.tick_once()
        call.tick()

    assert stage.gate.holder is call.turn
    assert stage.epochs == 50


def test_a_holder_that_sleeps_loses_the_slot_but_lives() -> None:
    """Its deadline is not over: it is not given up."""
    stage = _Stage()
    stage.call()

    for _ in range(50):
        stage.clock.tick_once()

    assert stage.gate.holder is None
    assert stage.given_up == []


def test_a_call_that_does_not_end_when_it_has_to_is_given_up_once() -> None:
    """After a few ticks' grace."""
    stage = _Stage()
    call = stage.call()
    call.stop(DaemonError(ErrorKind.CANCELLED, "enough"))

    stage.clock.tick_once()
    assert stage.given_up == []
    for _ in range(20):
        stage.clock.tick_once()

    assert stage.given_up == [call]


def test_a_released_call_is_nobodys_concern() -> None:
    """However long ago it was to stop."""
    stage = _Stage()
    call = stage.call()
    call.stop(DaemonError(ErrorKind.CANCELLED, "enough"))
    stage.clock.release(call)

    for _ in range(20):
        stage.clock.tick_once()

    assert stage.given_up == []


def test_the_clock_goes_to_sleep_and_wakes_for_the_next_call() -> None:
    """An idle worker must not wake the machine a hundred times a second."""
    stage = _Stage()
    stage.clock.start()
    while not stage.clock._asleep:
        pass
    stage.ticked.clear()

    stage.call()

    assert stage.ticked.wait(10)
