"""Who gets the CPU slot, in which order."""

import threading

from daemon.engine.gate import Gate, Turn


def _wait(
    gate: Gate, turn: Turn, order: list[str], name: str, *, resumed: bool
) -> threading.Thread:
    """Let a thread line up; returns once it waits."""
    before = len(gate._resumed) + len(gate._new)

    def enter() -> None:
        if gate.enter(turn, timeout=30, resumed=resumed):
            order.append(name)
            gate.leave(turn)

    thread = threading.Thread(target=enter)
    thread.start()
    while len(gate._resumed) + len(gate._new) == before:
        pass
    return thread


def test_a_free_slot_is_granted_at_once() -> None:
    """And to one only."""
    gate, one, two = Gate(), Turn(), Turn()

    assert gate.enter(one, timeout=0)
    assert not gate.enter(two, timeout=0)
    assert gate.holder is one
    assert not gate.crowded


def test_those_who_come_back_go_before_those_who_start() -> None:
    """Within each group, first come is first served."""
    gate, holder, order = Gate(), Turn(), list[str]()
    gate.enter(holder, timeout=0)
    threads = [
        _wait(gate, Turn(), order, "new 1", resumed=False),
        _wait(gate, Turn(), order, "new 2", resumed=False),
        _wait(gate, Turn(), order, "resumed", resumed=True),
    ]
    assert gate.crowded

    gate.leave(holder)
    for thread in threads:
        thread.join(30)

    assert order == ["resumed", "new 1", "new 2"]
    assert gate.holder is None


def test_who_is_turned_away_does_not_get_the_slot() -> None:
    """Nor does it keep the next in line from it."""
    gate, holder, doomed, order = Gate(), Turn(), Turn(), list[str]()
    gate.enter(holder, timeout=0)
    thread = _wait(gate, doomed, order, "doomed", resumed=False)
    following = _wait(gate, Turn(), order, "next", resumed=False)

    gate.turn_away(doomed)
    thread.join(30)
    gate.leave(holder)
    following.join(30)

    assert order == ["next"]


def test_a_slot_that_was_taken_away_cannot_be_given_back() -> None:
    """The sleeper's own leaving must not throw out its successor."""
    gate, sleeper, other = Gate(), Turn(), Turn()
    gate.enter(sleeper, timeout=0)

    assert gate.leave(sleeper)
    assert gate.enter(other, timeout=0)

    assert not gate.leave(sleeper)
    assert gate.holder is other


def test_idle_work_never_waits() -> None:
    """It takes a free slot, or none."""
    gate, call, idle = Gate(), Turn(), Turn()
    gate.enter(call, timeout=0)

    assert not gate.enter_idle(idle)
    gate.leave(call)
    assert gate.enter_idle(idle)
