"""What a row of the table is. Pure: leaves out how rows are measured (`rows/`) and printed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A target: at most, or at least, so much. Without a limit a row is reported only."""

    limit: float | None = None
    at_least: bool = False

    def met(self, value: float) -> bool | None:
        """Whether *value* meets the target; None where there is none."""
        if self.limit is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        """As the table shows it."""
        if self.limit is None:
            return "reported"
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One measured line of the table.

    `value` is what the target speaks of, in `unit` (empty for a ratio); `measured` tells in a few
    words what it was made of, `raw` holds the numbers behind it.
    """

    name: str
    what: str
    baseline: str
    bound: Bound
    value: float
    unit: str = ""
    measured: str = ""
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return self.bound.met(self.value)


def ratio(ours: Sequence[float], baseline: Sequence[float]) -> float:
    """
    Return the median of the ratios of rounds that ran side by side.

    Neighbours in time share the machine's mood, which a ratio of medians would not cancel.
    """
    return median(a / b for a, b in zip(ours, baseline, strict=True))
