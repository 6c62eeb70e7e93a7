"""
What to do now: which installations to start, which to drop, what to retire. Pure.

Compares what is wanted with what *is served* and with what is being tried, so that whatever
failed is simply tried again when its time has come. Leaves out doing it (`loop`).
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol

from daemon.names import SkillPath
from daemon.namespaces.desired import Skills
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
    """Paths to start at, attempts to drop, paths to retire."""

    start: tuple[SkillPath, ...] = ()
    drop: tuple[SkillPath, ...] = ()
    retire: tuple[SkillPath, ...] = ()


def plan(
    *,
    wanted: Skills,
    served: Set[SkillPath],
    attempts: Mapping[SkillPath, Standing],
    now: float,
) -> Plan:
    """
    Return what leads from *served* to *wanted*; the newest wish supersedes older attempts.

    A new tag is a start, never also a retirement: a Skill wanted before and after must not vanish
    in between.
    """
    return Plan(
        start=tuple(p for p, spec in wanted.items() if _starts(attempts.get(p), spec, now)),
        drop=tuple(path for path, one in attempts.items() if wanted.get(path) != one.spec),
        retire=tuple(served - wanted.keys()),
    )


def _starts(attempt: Standing | None, spec: AnySpec, now: float) -> bool:
    if attempt is None or attempt.spec != spec:
        return True
    return not attempt.running and attempt.due <= now
