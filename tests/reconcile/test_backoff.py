from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile.backoff import delay


def test_delays_double_up_to_a_bound() -> None:
    """So that a registry that is down is not hammered, and is found again within minutes."""
    assert [delay(n, random=0.0) for n in (1, 2, 3, 50)] == [1.0, 2.0, 4.0, 300.0]


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_what_the_far_side_asks_for_is_kept(
    failures: int, random: float, asked: float | None
) -> None:
    """Never earlier; spread over some time."""
    assert delay(failures, random=random, at_least=asked) >= max(0.5, asked or 0.0)
