"""Spares are made when nobody computes, used once, and only under their own cap."""

from collections.abc import Callable

import pytest

from daemon.engine.clock import Clock
from daemon.engine.gate import Gate, Turn
from daemon.engine.loaded import Loaded, Loader
from daemon.engine.warm import Spares
from tests.engine.conftest import MEMORY, Load
from tests.wat import components


class _Nursery:
    """Spares whose jobs run at once, on the test's own thread."""

    def __init__(self, loader: Loader) -> None:
        self.gate = Gate()
        clock = Clock(gate=self.gate, advance=loader.advance_epoch, give_up=lambda _call: None)
        self.jobs: list[Callable[[], None]] = []
        self.threads_left = True
        self.spares = Spares(gate=self.gate, clock=clock, run=self._run)

    def _run(self, job: Callable[[], None]) -> bool:
        if self.threads_left:
            self.jobs.append(job)
        return self.threads_left

    def work(self) -> int:
        count = 0
        while self.jobs:
            self.jobs.pop(0)()
            count += 1
        return count


@pytest.fixture
def nursery(loader: Loader) -> _Nursery:
    """On the engine of all tests."""
    return _Nursery(loader)


@pytest.fixture
def skill(load: Load) -> Loaded:
    """With metadata."""
    return load(components.function())


def _take(nursery: _Nursery, skill: Loaded) -> bool:
    instance = nursery.spares.take("a", skill, memory=MEMORY)
    if instance is not None:
        instance.close()
    return instance is not None


def test_as_many_as_wanted_are_made_and_each_is_given_once(
    nursery: _Nursery, skill: Loaded
) -> None:
    """Then the shelf is empty until the next idle time."""
    nursery.spares.want("a", skill, instances=2, memory=MEMORY)
    nursery.work()

    assert [_take(nursery, skill) for _ in range(3)] == [True, True, False]
    nursery.spares.restock()
    nursery.work()
    assert _take(nursery, skill)


def test_a_spare_with_another_cap_is_not_given(nursery: _Nursery, skill: Loaded) -> None:
    """Its limits can't be changed any more."""
    nursery.spares.want("a", skill, instances=1, memory=MEMORY)
    nursery.work()

    assert nursery.spares.take("a", skill, memory=MEMORY - 1) is None


def test_a_spare_of_the_same_artifact_loaded_before_is_not_given(
    nursery: _Nursery, skill: Loaded, load: Load
) -> None:
    """Its exports are not those of the one that is to be called."""
    nursery.spares.want("a", skill, instances=1, memory=MEMORY)
    nursery.work()

    assert not _take(nursery, load(components.function()))
    assert _take(nursery, skill)


def test_nothing_is_made_while_somebody_computes(nursery: _Nursery, skill: Loaded) -> None:
    """Restocking is for idle time."""
    turn = Turn()
    nursery.gate.enter(turn, timeout=0)
    nursery.spares.want("a", skill, instances=1, memory=MEMORY)
    assert nursery.work() == 0

    nursery.gate.leave(turn)
    nursery.spares.restock()
    nursery.work()
    assert _take(nursery, skill)


def test_a_forgotten_skill_keeps_nothing(nursery: _Nursery, skill: Loaded) -> None:
    """Wanting none is forgetting."""
    nursery.spares.want("a", skill, instances=1, memory=MEMORY)
    nursery.work()
    nursery.spares.want("a", skill, instances=0, memory=MEMORY)
    nursery.work()

    assert not _take(nursery, skill)


def test_metadata_that_fails_is_skipped_and_a_start_that_fails_is_not_repeated(
    nursery: _Nursery, load: Load
) -> None:
    """The call that needs the instance will report what is wrong."""
    mute, sound = load(components.function(describe="(unreachable)")), load(components.function())
    nursery.spares.want("a", mute, instances=1, memory=MEMORY)
    nursery.work()
    assert _take(nursery, mute)

    nursery.spares.want("a", sound, instances=1, memory=1)
    assert nursery.work() < 10
    assert nursery.spares.take("a", sound, memory=1) is None


def test_without_a_thread_nothing_is_made_until_there_is_one(
    nursery: _Nursery, skill: Loaded
) -> None:
    """And what is forgotten is freed all the same."""
    nursery.threads_left = False
    nursery.spares.want("a", skill, instances=1, memory=MEMORY)
    assert not _take(nursery, skill)

    nursery.threads_left = True
    nursery.spares.restock()
    nursery.work()
    nursery.threads_left = False
    nursery.spares.forget("a")

    assert not _take(nursery, skill)


def test_a_rehearsal_that_was_given_up_frees_the_place(nursery: _Nursery, skill: Loaded) -> None:
    """Its shelf stays empty, others are filled."""
    nursery.spares.want("stuck", skill, instances=1, memory=MEMORY)
    stuck = nursery.spares._rehearsal
    assert stuck is not None
    nursery.jobs.clear()  # its thread never comes back

    assert nursery.spares.gave_up(stuck[0])
    assert not nursery.spares.gave_up(stuck[0])
    nursery.spares.want("a", skill, instances=1, memory=MEMORY)
    nursery.work()

    assert _take(nursery, skill)
