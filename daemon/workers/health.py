"""
When a worker has to go, and how soon its successor may come. Pure: times are given.

Leaves out how it goes (`fleet`).
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """
    What a worker may take upon itself before it is replaced.

    `pings` without an answer mean hung (counted, not timed: a parent that was suspended must not
    kill its workers). `calls` 0: any number. `resident` in bytes of private memory. `zombies`:
    guests that can't be stopped. `stuck`: seconds in which a cancelled call has to end.
    """

    pings: int = 10
    calls: int = 0
    resident: int = 2 << 30
    zombies: int = 4
    stuck: float = 10.0


@dataclass(slots=True)
class Vitals:
    """What is known of a worker's state. Owned by its `Worker`."""

    unanswered: int = 0
    zombies: int = 0
    resident: int = 0
    at_start: int = 0  # resident, before its first call
    calls: int = 0


def unfit(vitals: Vitals, policy: HealthPolicy, *, stuck: int) -> str | None:
    """Return why a worker should be replaced, None if it is fit. *stuck*: calls that do not end."""
    if stuck:
        return "stuck"
    if vitals.zombies >= policy.zombies:
        return "zombies"
    if vitals.at_start <= policy.resident < vitals.resident:
        return "memory"  # where it started beyond it, so would its successor
    if policy.calls and vitals.calls >= policy.calls:
        return "calls"
    return None


class Backoff:
    """
    Delays between deaths: none for a rare one, longer and longer for a series.

    Owned by the fleet. All times in seconds.
    """

    def __init__(
        self, *, first: float = 0.1, most: float = 5.0, memory: float = 30.0, free: int = 2
    ) -> None:
        """*memory*: how long a death counts. *free*: so many in that time cost nothing."""
        self._first = first
        self._most = most
        self._memory = memory
        self._free = free
        self._deaths: deque[float] = deque(maxlen=64)

    def delay(self, now: float) -> float:
        """Count a death at *now* and return how long to wait before the next start."""
        self._deaths.append(now)
        while self._deaths[0] < now - self._memory:
            self._deaths.popleft()
        series = len(self._deaths) - self._free
        return 0.0 if series <= 0 else float(min(self._most, self._first * 2 ** (series - 1)))
