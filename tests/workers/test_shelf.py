"""Which artifacts stay loaded, and which are kept warm."""

from daemon.workers.shelf import Shelf, WarmPolicy


def shelf(**policy: float) -> Shelf:
    """A shelf with `a` and `b`."""
    made = Shelf(WarmPolicy(**policy))  # type: ignore[arg-type]
    made.add("a")
    made.add("b")
    return made


def test_retired_artifact_goes_with_its_last_call() -> None:
    """Not before, and only once."""
    made = shelf()
    assert made.take("a", memory=1)
    assert made.take("a", memory=1)

    assert not made.retire("a")
    assert not made.give_back("a")
    assert made.give_back("a")

    assert not made.take("a", memory=1)
    assert not made.retire("a")


def test_unused_artifact_goes_at_once() -> None:
    """Nobody has to wait for it."""
    assert shelf().retire("a")


def test_artifact_that_comes_back_stays() -> None:
    """A rollback while the last calls of the old version still run."""
    made = shelf()
    made.take("a", memory=1)
    made.retire("a")
    made.add("a")
    assert not made.give_back("a")
    assert made.take("a", memory=1)


def test_hottest_artifacts_are_kept_warm_within_the_budget() -> None:
    """Two instances of 10 bytes in each of two workers: a budget of 40 is good for one."""
    made = shelf(instances=2, memory=40, instance=10)
    made.take("b", memory=7)
    assert made.hottest(workers=2) == [("b", 7)]

    for _ in range(5):
        made.take("a", memory=9)
    assert made.hottest(workers=2) == [("a", 9)]


def test_heat_fades() -> None:
    """What was hot yesterday gives way to what is called now."""
    made = shelf(instances=1, memory=10, instance=10, fades=0.1)
    for _ in range(5):
        made.take("a", memory=1)
    made.cool()
    made.take("b", memory=1)
    assert made.hottest(workers=1) == [("b", 1)]


def test_warm_instances_can_be_turned_off() -> None:
    """By number or by memory."""
    assert shelf(instances=0).hottest(workers=1) == []
    assert shelf(memory=0).hottest(workers=1) == []


def test_retired_artifacts_are_not_kept_warm() -> None:
    """Their last calls have instances already."""
    made = shelf()
    made.take("a", memory=1)
    made.retire("a")
    assert [artifact for artifact, _ in made.hottest(workers=1)] == ["b"]


def test_few_are_those_that_can_all_be_warm() -> None:
    """Beyond that, to rank all of them at each load would cost the square of their number."""
    made = shelf(instances=1, instance=10, memory=20)

    assert made.few(workers=1)
    assert not made.few(workers=2)
    made.add("c")
    assert not made.few(workers=1)
