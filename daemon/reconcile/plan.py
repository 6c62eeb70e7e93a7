"""
What to do now: which installations to start, which to drop, what to retire. Pure.

Compares what is wanted with what *is served* and with what is being tried, so that whatever
failed is simply tried again when its time has come. Leaves out doing it (`loop`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from daemon.names import SkillPath
from daemon.namespaces.desired import Skills
from daemon.namespaces.diff import Retire, diff
from daemon.skill import AnySpec

NEVER = float("inf")


class Standing(Protocol):
    """An attempt at a wish: what for, whether it runs, and when it is to be repeated."""

    @property
    def spec(self) -> AnySpec:
        """The wish."""
        ...

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        ...

    @property
    def due(self) -> float:
        """When to try or to look again, on the clock of *now*."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Paths to start at, attempts to drop, paths to retire, and when to plan again."""

    start: tuple[SkillPath, ...] = ()
    drop: tuple[SkillPath, ...] = ()
    retire: tuple[SkillPath, ...] = ()
    next_due: float = NEVER


def plan(
    *, wanted: Skills, served: Skills, attempts: Mapping[SkillPath, Standing], now: float
) -> Plan:
    """Return what leads from *served* to *wanted*; the newest wish supersedes older attempts."""
    retire = tuple(change.path for change in diff(served, wanted) if isinstance(change, Retire))
    drop = tuple(path for path, one in attempts.items() if wanted.get(path) != one.spec)
    start = tuple(path for path in sorted(wanted) if _starts(attempts.get(path), wanted[path], now))
    waiting = (
        one.due
        for path, one in attempts.items()
        if path not in drop and path not in start and not one.running
    )
    return Plan(start, drop, retire, min(waiting, default=NEVER))


def _starts(attempt: Standing | None, spec: AnySpec, now: float) -> bool:
    if attempt is None or attempt.spec != spec:
        return True
    return not attempt.running and attempt.due <= now
