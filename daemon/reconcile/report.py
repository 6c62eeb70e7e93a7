"""
What is told of a namespace: conditions, revisions and Skills, in Flux's words. Pure.

Steps never set conditions themselves: everything is derived here from what was loaded, tried and
served. Leaves out the JSON (`api`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from daemon.catalogue import Served, ServedSkill
from daemon.names import Digest, SkillName
from daemon.namespaces.status import (
    Condition,
    ConditionType,
    HistoryEntry,
    NamespaceStatus,
    SkillStatus,
    condition,
)
from daemon.reconcile.attempt import Attempt
from daemon.reconcile.loader import Source
from daemon.skill import AnySpec, ChatSpec, Failure, SkillKind, SkillSpec

_Verdict = tuple[str, str, str]
"""Status, reason and message of a condition."""

_Names = dict[SkillName, None]
"""A set that keeps its order."""

_DONE: _Verdict = ("True", "ReconciliationSucceeded", "serves what is wanted")


@dataclass(slots=True)
class Tally:
    """
    Which Skills of a namespace are not as wanted, in the order in which that was noticed.

    Kept up to date one Skill at a time, so that a change costs the same among ten and among ten
    thousand. Owned by the board. `failing` are among the `waiting`; `retrying` may be served well.
    """

    waiting: _Names = field(default_factory=dict)
    failing: _Names = field(default_factory=dict)
    stuck: _Names = field(default_factory=dict)
    retrying: _Names = field(default_factory=dict)

    def note(self, skill: SkillStatus) -> None:
        """Count *skill* as it stands now."""
        ready = _holds(skill, ConditionType.READY)
        stuck = _holds(skill, ConditionType.STALLED)
        failed = skill.error is not None
        for names, belongs in (
            (self.waiting, not ready),
            (self.failing, not ready and failed),
            (self.stuck, stuck),
            (self.retrying, failed and not stuck),
        ):
            if belongs:
                names[skill.name] = None
            else:
                names.pop(skill.name, None)

    def forget(self, name: SkillName) -> None:
        """Count a Skill no longer."""
        for names in (self.waiting, self.failing, self.stuck, self.retrying):
            names.pop(name, None)


def namespace_status(
    source: Source,
    skills: Mapping[SkillName, SkillStatus],
    *,
    tally: Tally,
    history: tuple[HistoryEntry, ...],
    before: NamespaceStatus | None,
    now: datetime,
) -> NamespaceStatus:
    """Return the status; conditions that did not change keep their time."""
    verdicts = _verdicts(source, skills, tally)
    applied = before.applied_revision if before else None
    return NamespaceStatus(
        name=source.namespace,
        source=source.place,
        owner=source.owner,
        conditions=_dated(verdicts, before.conditions if before else (), now=now),
        observed_revision=source.revision,
        applied_revision=source.revision if verdicts[ConditionType.READY] == _DONE else applied,
        problems=source.problems,
        skills=skills,
        history=history,
    )


def as_wanted(served: Served | None, spec: AnySpec) -> bool:
    """Tell whether *served* is the version that *spec* asks for."""
    return served is not None and served.spec == spec


def _holds(skill: SkillStatus, kind: ConditionType) -> bool:
    found = condition(skill.conditions, kind)
    return found is not None and found.status == "True"


def _verdicts(
    source: Source, skills: Mapping[SkillName, SkillStatus], tally: Tally
) -> dict[ConditionType, _Verdict]:
    ready = _trouble(source) or _backlog(tally) or _DONE
    if source.failure is not None or tally.failing or tally.retrying:
        text = source.failure.message if source.failure else _first_error(skills, tally)
        reconciling = ("True", "ProgressingWithRetry", text)
    elif tally.waiting or not source.loaded:
        reconciling = ("True", "Progressing", f"installing {_names(tally.waiting)}")
    else:
        reconciling = ("False", "Idle", "nothing to do")
    if source.guarded or source.rejected or source.problems:
        stalled = ("True", ready[1], ready[2])
    elif tally.stuck:
        text = f"needs another version: {_names(tally.stuck)}"
        stalled = ("True", "ReconciliationFailed", text)
    else:
        stalled = ("False", "Idle", "needs nobody")
    return {
        ConditionType.READY: ready,
        ConditionType.RECONCILING: reconciling,
        ConditionType.STALLED: stalled,
    }


def _trouble(source: Source) -> _Verdict | None:
    """Say what is wrong with the wish itself."""
    if source.guarded and source.failure:
        return "False", "EmptyGuard", source.failure.message
    if source.rejected:
        text = "; ".join(str(problem) for problem in source.problems[:3])
        return "False", "BuildFailed", f"the last good version stays: {text}"
    if source.failure:
        return "False", "ArtifactFailed", source.failure.message
    if not source.loaded:
        return "Unknown", "Progressing", "not fetched yet"
    if source.problems:
        text = "; ".join(str(problem) for problem in source.problems[:3])
        return "False", "BuildFailed", f"held back: {text}"
    return None


def _backlog(tally: Tally) -> _Verdict | None:
    if tally.failing:
        return "False", "ReconciliationFailed", f"can't be installed: {_names(tally.failing)}"
    if tally.waiting:
        return "False", "Progressing", f"not served yet: {_names(tally.waiting)}"
    return None


def _first_error(skills: Mapping[SkillName, SkillStatus], tally: Tally) -> str:
    error = skills[next(iter(tally.failing or tally.retrying))].error
    return error.message if error else ""


def _names(names: _Names) -> str:
    shown = ", ".join(islice(names, 5))
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _dated(
    verdicts: Mapping[ConditionType, _Verdict], before: tuple[Condition, ...], *, now: datetime
) -> tuple[Condition, ...]:
    dated = []
    for kind, (status, reason, message) in verdicts.items():
        old = condition(before, kind)
        same = old is not None and (old.status, old.reason) == (status, reason)
        since = old.since if old is not None and same else now
        dated.append(Condition(kind, status, reason, message, since))
    return tuple(dated)


# One Skill ---------------------------------------------------------------------------------------


def skill_status(
    attempt: Attempt, served: Served | None, *, before: SkillStatus | None, now: datetime
) -> SkillStatus:
    """Return how a wanted Skill stands: what is tried for it, and what is served."""
    spec = attempt.spec
    verdicts = _skill_verdicts(attempt, served)
    running = served if isinstance(served, ServedSkill) else None
    return SkillStatus(
        name=spec.path.name,
        conditions=_dated(verdicts, before.conditions if before else (), now=now),
        wanted_tag=spec.tag if isinstance(spec, SkillSpec) else None,
        wanted_digest=_wanted_digest(attempt),
        served_tag=running.spec.tag if running else None,
        served_digest=running.digest if running else None,
        kind=_kind(spec, served),
        world=running.artifact.world.value if running else None,
        variant=running.artifact.variant if running else None,
        error=attempt.failure,
        next_attempt=attempt.retry_at,
    )


def _wanted_digest(attempt: Attempt) -> Digest | None:
    pinned = attempt.spec.digest if isinstance(attempt.spec, SkillSpec) else None
    return pinned or attempt.digest


def _kind(spec: AnySpec, served: Served | None) -> SkillKind | None:
    if served is not None:
        return served.kind
    return SkillKind.MESSAGE_STREAM if isinstance(spec, ChatSpec) else None


def _skill_verdicts(attempt: Attempt, served: Served | None) -> dict[ConditionType, _Verdict]:
    failure, stalled = attempt.failure, attempt.stalled
    is_served = as_wanted(served, attempt.spec)
    if is_served and not (failure and stalled):
        ready = _DONE
    elif failure is not None:
        ready = ("False", _reason(failure), failure.message)
    else:
        ready = ("False", "Progressing", "being installed")
    busy = failure is not None and not stalled
    return {
        ConditionType.READY: ready,
        ConditionType.RECONCILING: _reconciling(failure if busy else None, is_served=is_served),
        ConditionType.STALLED: (
            ("True", _reason(failure), failure.message)
            if failure is not None and stalled
            else ("False", "Idle", "needs nobody")
        ),
    }


def _reconciling(failure: Failure | None, *, is_served: bool) -> _Verdict:
    if failure is not None:
        return "True", "ProgressingWithRetry", failure.message
    if is_served:
        return "False", "Idle", "nothing to do"
    return "True", "Progressing", "being installed"


def _reason(failure: Failure) -> str:
    """`not-in-registry` becomes `NotInRegistry`."""
    return "".join(word.capitalize() for word in failure.kind.split("-"))
