"""What a result is compared with, and how rounds become one number."""

import pytest

from bench.row import Bound, Row, ratio


def test_rounds_are_compared_with_their_neighbours() -> None:
    """A round in which the machine was slow says as much as the others."""
    ours, baseline = [10.0, 40.0, 10.0], [20.0, 80.0, 10.0]

    assert ratio(ours, baseline) == 0.5


def test_rounds_come_in_pairs() -> None:
    """Anything else is a mistake of the row."""
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("bound", "value", "met", "text"),
    [
        (Bound(limit=2), 2.0, True, "≤ 2"),
        (Bound(limit=2), 2.1, False, "≤ 2"),
        (Bound(limit=0.75, at_least=True), 0.8, True, "≥ 0.75"),
        (Bound(limit=0.75, at_least=True), 0.7, False, "≥ 0.75"),
        (Bound(limit=0), 0.0, True, "≤ 0"),
        (Bound(), 1.0, None, "reported"),
    ],
)
def test_a_row_says_whether_its_target_is_met(
    bound: Bound, value: float, met: bool | None, text: str
) -> None:
    """None where there is no target."""
    row = Row(name="a", what="b", baseline="c", bound=bound, value=value)

    assert row.met is met
    assert str(bound) == text
