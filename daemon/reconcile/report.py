"""
What is told of a namespace: conditions, revisions and Skills, in Flux's words. Pure.

Steps never set conditions themselves: everything is derived here from what was loaded, tried and
served. Leaves out the JSON (`api`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from daemon.catalogue import Served, ServedSkill
from daemon.names import Digest, SkillName, SkillPath
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

_DONE: _Verdict = ("True", "ReconciliationSucceeded", "serves what is wanted")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one namespace at one moment; maps hold only its own Skills."""

    source: Source
    wanted: Mapping[SkillPath, AnySpec]
    served: Mapping[SkillPath, Served]
    attempts: Mapping[SkillPath, Attempt]
    history: tuple[HistoryEntry, ...]
    now: datetime


def report(facts: Facts, before: NamespaceStatus | None) -> NamespaceStatus:
    """Return the status; conditions that did not change keep their time."""
    source = facts.source
    earlier = {skill.name: skill for skill in before.skills} if before else {}
    paths = sorted(facts.wanted.keys() | facts.served.keys())
    skills = tuple(_skill(facts, path, earlier.get(path.name)) for path in paths)
    verdicts = _verdicts(facts)
    conditions = _dated(verdicts, before.conditions if before else (), now=facts.now)
    applied = before.applied_revision if before else None
    return NamespaceStatus(
        name=source.namespace,
        source=source.place,
        owner=source.owner,
        conditions=conditions,
        observed_revision=source.revision,
        attempted_revision=source.revision,
        applied_revision=source.revision if verdicts[ConditionType.READY] == _DONE else applied,
        problems=source.problems,
        skills=skills,
        history=facts.history,
    )


def as_wanted(served: Served | None, spec: AnySpec) -> bool:
    """Tell whether *served* is the version that *spec* asks for."""
    return served is not None and served.spec == spec


def _verdicts(facts: Facts) -> dict[ConditionType, _Verdict]:
    source = facts.source
    attempts = facts.attempts.values()
    missing = [p for p, spec in facts.wanted.items() if not as_wanted(facts.served.get(p), spec)]
    failing = [path for path in missing if path in facts.attempts and facts.attempts[path].failure]
    stuck = [path for path in failing if facts.attempts[path].stalled]
    waiting = bool(missing) or any(one.failure and not one.stalled for one in attempts)
    ready = _trouble(source) or _backlog(missing, failing) or _DONE
    if not waiting and source.failure is None and source.loaded:
        reconciling = ("False", "Idle", "nothing to do")
    elif source.failure is not None or any(one.failure for one in attempts):
        reconciling = ("True", "ProgressingWithRetry", _first(attempts, source))
    else:
        reconciling = ("True", "Progressing", f"installing {_names(missing)}")
    if source.guarded or source.rejected or source.problems:
        stalled = ("True", ready[1], ready[2])
    elif stuck:
        stalled = ("True", "ReconciliationFailed", f"needs another version: {_names(stuck)}")
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


def _backlog(missing: list[SkillPath], failing: list[SkillPath]) -> _Verdict | None:
    if failing:
        return "False", "ReconciliationFailed", f"can't be installed: {_names(failing)}"
    if missing:
        return "False", "Progressing", f"not served yet: {_names(missing)}"
    return None


def _first(attempts: Iterable[Attempt], source: Source) -> str:
    failures = [source.failure, *(one.failure for one in attempts)]
    return next((one.message for one in failures if one is not None), "")


def _names(paths: list[SkillPath]) -> str:
    shown = ", ".join(path.name for path in sorted(paths)[:5])
    return f"{shown} and {len(paths) - 5} more" if len(paths) > 5 else shown


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


def _skill(facts: Facts, path: SkillPath, before: SkillStatus | None) -> SkillStatus:
    spec, served = facts.wanted.get(path), facts.served.get(path)
    attempt = facts.attempts.get(path)
    verdicts = _skill_verdicts(spec, served, attempt)
    conditions = _dated(verdicts, before.conditions if before else (), now=facts.now)
    running = served if isinstance(served, ServedSkill) else None
    return SkillStatus(
        name=SkillName(path.name),
        conditions=conditions,
        wanted_tag=spec.tag if isinstance(spec, SkillSpec) else None,
        wanted_digest=_wanted_digest(spec, attempt),
        served_tag=running.spec.tag if running else None,
        served_digest=running.digest if running else None,
        kind=_kind(spec, served),
        world=running.artifact.world.value if running else None,
        variant=running.artifact.variant if running else None,
        error=attempt.failure if attempt else None,
        next_attempt=attempt.retry_at if attempt else None,
    )


def _wanted_digest(spec: AnySpec | None, attempt: Attempt | None) -> Digest | None:
    if isinstance(spec, SkillSpec) and spec.digest is not None:
        return spec.digest
    return attempt.digest if attempt else None


def _kind(spec: AnySpec | None, served: Served | None) -> SkillKind | None:
    if served is not None:
        return served.kind
    return SkillKind.MESSAGE_STREAM if isinstance(spec, ChatSpec) else None


def _skill_verdicts(
    spec: AnySpec | None, served: Served | None, attempt: Attempt | None
) -> dict[ConditionType, _Verdict]:
    failure = attempt.failure if attempt else None
    stalled = attempt is not None and attempt.stalled
    is_served = spec is not None and as_wanted(served, spec)
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
