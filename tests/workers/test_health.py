"""When a worker has to go, and when the next one may come."""

import pytest

from daemon.workers.health import Backoff, HealthPolicy, Vitals, unfit


@pytest.mark.parametrize(
    ("vitals", "stuck", "reason"),
    [
        (Vitals(), 0, None),
        (Vitals(calls=10**9), 0, None),
        (Vitals(), 1, "stuck"),
        (Vitals(zombies=4), 0, "zombies"),
        (Vitals(resident=(2 << 30) + 1), 0, "memory"),
        (Vitals(resident=3 << 30, at_start=(2 << 30) + 1), 0, None),
    ],
)
def test_worker_is_replaced_for_a_reason(vitals: Vitals, stuck: int, reason: str | None) -> None:
    """The default policy counts no calls."""
    assert unfit(vitals, HealthPolicy(), stuck=stuck) == reason


def test_calls_are_counted_where_wanted() -> None:
    """Some guests' leaks can't be seen from outside."""
    assert unfit(Vitals(calls=9), HealthPolicy(calls=10), stuck=0) is None
    assert unfit(Vitals(calls=10), HealthPolicy(calls=10), stuck=0) == "calls"


def test_rare_deaths_cost_no_time_and_series_more_and_more() -> None:
    """Up to a limit; after a while without any, all is forgotten."""
    backoff = Backoff(first=0.1, most=0.5, memory=30.0, free=2)
    assert [backoff.delay(0.0) for _ in range(6)] == [0.0, 0.0, 0.1, 0.2, 0.4, 0.5]
    assert backoff.delay(31.0) == 0.0
