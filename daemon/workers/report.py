"""What the supervisor tells of itself, for metrics and logs. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.errors import ErrorKind
from daemon.names import SkillPath


@dataclass(frozen=True, slots=True)
class Finished:
    """
    One call that was answered. `error` is None for success.

    `wall` counts from admission and `cpu` is the guest's, in seconds; `cpu` is 0 where the worker
    did not get to tell.
    """

    path: SkillPath
    error: ErrorKind | None
    wall: float
    cpu: float
    warm: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """
    A snapshot. Gauges: calls `running` in workers, `queued` here, `waiting` for their host.

    Counters since the start: `restarts` by reason (crashed, hung, or why one was recycled),
    `cpu_seconds` of guests, `warm` calls.
    """

    running: int
    queued: int
    waiting: int
    workers_up: int
    workers_wanted: int
    zombies: int
    resident: int
    restarts: Mapping[str, int]
    cpu_seconds: float
    warm: int


@dataclass(slots=True)
class Totals:
    """Counters since the start. Owned by the supervisor."""

    cpu: float = 0.0
    warm: int = 0


def ignore(_: Finished) -> None:
    """Observe nothing."""
