"""The numbers fit together."""

from daemon.skill import Limits
from daemon.workers.policy import FleetPolicy, SupervisorPolicy


def test_worker_that_is_replaced_may_finish_any_call() -> None:
    """The longest call by default ends before the drain does."""
    assert FleetPolicy().drain > Limits().timeout


def test_patience_is_shorter_than_the_wait_in_the_queue() -> None:
    """Else slow calls would turn others away."""
    assert SupervisorPolicy().patience < SupervisorPolicy().queue_timeout
