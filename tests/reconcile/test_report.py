from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.catalogue import Served, ServedSkill
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, Namespace, SkillName, Tag
from daemon.namespaces.status import (
    ConditionType,
    NamespaceStatus,
    Problem,
    SkillStatus,
    condition,
)
from daemon.reconcile.attempt import Attempt
from daemon.reconcile.loader import Source
from daemon.reconcile.report import Tally, namespace_status, skill_status
from daemon.skill import Artifact, Failure, Limits, RegistryRef, SkillKind, SkillSpec, World
from tests.reconcile.conftest import path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
DIGEST = Digest("sha256:" + "1" * 64)
A = path("team/a")
V1, V2 = (SkillSpec(A, RegistryRef(host="r.example.org"), Tag(tag)) for tag in ("v1", "v2"))
ARTIFACT = Artifact("id", DIGEST, World.V0_5, SkillKind.FUNCTION, Path("x"))
SERVED: Served = ServedSkill(V1, DIGEST, ARTIFACT, Limits(), "1", NOW)
SOURCE = Source(Namespace("team"), "n.toml", "team", revision="1")
PROBLEM = Problem("n.toml", 1, 2, "skills", "wrong")
FAILURE = Failure("registry-unavailable", "down")


@dataclass(frozen=True)
class Facts:
    """What is known of a namespace with one Skill, of which V1 is served."""

    source: Source
    attempt: Attempt
    now: datetime = NOW


def facts(
    *, source: Source = SOURCE, spec: SkillSpec = V1, error: DaemonError | None = None
) -> Facts:
    """*spec* is wanted, and *error* is what it met."""
    attempt = Attempt(spec=spec, digest=DIGEST)
    if error is not None:
        attempt.failed(error, now=0.0, interval=10.0, random=0.0)
    return Facts(source, attempt)


def report(given: Facts, before: NamespaceStatus | None) -> NamespaceStatus:
    """The status of the namespace, all of it anew."""
    earlier = before.skills[A.name] if before else None
    skill = skill_status(given.attempt, SERVED, before=earlier, now=given.now)
    return namespace_status(
        given.source,
        {skill.name: skill},
        tally=tallied(skill),
        history=(),
        before=before,
        now=given.now,
    )


def tallied(*skills: SkillStatus) -> Tally:
    """Counted one after the other."""
    tally = Tally()
    for skill in skills:
        tally.note(skill)
    return tally


def states(status: NamespaceStatus) -> list[tuple[str, str]]:
    """Status and reason of Ready, Reconciling, Stalled."""
    found = [condition(status.conditions, kind) for kind in ConditionType]
    return [(one.status, one.reason) for one in found if one is not None]


IDLE = ("False", "Idle")
DOWN = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")
BAD = DaemonError(ErrorKind.NOT_A_COMPONENT, "bad")
RETRY = ("True", "ProgressingWithRetry")
FAILED = ("False", "ReconciliationFailed")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts(), [("True", "ReconciliationSucceeded"), IDLE, IDLE]),
        (facts(spec=V2), [("False", "Progressing"), ("True", "Progressing"), IDLE]),
        (facts(spec=V2, error=DOWN), [FAILED, RETRY, IDLE]),
        (facts(spec=V2, error=BAD), [FAILED, RETRY, ("True", "ReconciliationFailed")]),
        (facts(error=DOWN), [("True", "ReconciliationSucceeded"), RETRY, IDLE]),
        (facts(error=BAD), [FAILED, RETRY, ("True", "ReconciliationFailed")]),
        (
            facts(source=replace(SOURCE, rejected=True, problems=(PROBLEM,))),
            [("False", "BuildFailed"), IDLE, ("True", "BuildFailed")],
        ),
        (
            facts(source=replace(SOURCE, problems=(PROBLEM,))),
            [("False", "BuildFailed"), IDLE, ("True", "BuildFailed")],
        ),
        (
            facts(source=replace(SOURCE, failure=FAILURE)),
            [("False", "ArtifactFailed"), RETRY, IDLE],
        ),
        (
            facts(source=replace(SOURCE, failure=FAILURE, guarded=True)),
            [("False", "EmptyGuard"), RETRY, ("True", "EmptyGuard")],
        ),
        (
            facts(source=replace(SOURCE, loaded=False)),
            [("Unknown", "Progressing"), ("True", "Progressing"), IDLE],
        ),
    ],
)
def test_conditions_follow_from_the_facts(given: Facts, expected: list[tuple[str, str]]) -> None:
    """In Flux's words."""
    assert states(report(given, None)) == expected


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    """So that one can see for how long something is broken."""
    first = report(facts(), None)
    same = report(replace(facts(), now=LATER), first)
    changed = report(replace(facts(spec=V2), now=LATER), same)

    ready = [condition(one.conditions, ConditionType.READY) for one in (first, same, changed)]
    assert [one.since for one in ready if one] == [NOW, NOW, LATER]


def test_revisions_tell_read_tried_and_served_apart() -> None:
    """What was applied last stays told while the next one fails."""
    first = report(facts(), None)
    second = report(facts(source=replace(SOURCE, revision="2"), spec=V2, error=DOWN), first)

    assert (first.observed_revision, first.applied_revision) == ("1", "1")
    assert (second.observed_revision, second.applied_revision) == ("2", "1")


def test_a_skill_tells_wanted_and_served() -> None:
    """With the error of the last attempt and the time of the next."""
    skill = report(facts(spec=V2, error=DOWN), None).skills[A.name]

    assert (skill.wanted_tag, skill.served_tag) == ("v2", "v1")
    assert (skill.served_digest, skill.kind, skill.world, skill.variant) == (
        DIGEST,
        SkillKind.FUNCTION,
        "0.5.0",
        "whole",
    )
    assert skill.error is not None
    assert skill.error.kind == "registry-unavailable"
    assert skill.next_attempt is not None
    ready = condition(skill.conditions, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "RegistryUnavailable")


def test_a_tally_follows_each_change_of_a_skill() -> None:
    """One that is well again, or gone, is not counted any more."""
    good, down, bad = (
        skill_status(given.attempt, SERVED, before=None, now=NOW)
        for given in (facts(), facts(spec=V2, error=DOWN), facts(spec=V2, error=BAD))
    )

    assert tallied(down) == Tally({A.name: None}, {A.name: None}, {}, {A.name: None})
    assert tallied(down, bad) == Tally({A.name: None}, {A.name: None}, {A.name: None}, {})
    assert tallied(down, bad, good) == Tally()
    tally = tallied(bad)
    tally.forget(A.name)
    assert tally == Tally()


def test_of_many_skills_the_first_few_are_named() -> None:
    """A message is for people."""
    names = [SkillName(f"a{number}") for number in range(9)]
    skill = skill_status(facts(spec=V2).attempt, SERVED, before=None, now=NOW)
    skills = {name: replace(skill, name=name) for name in names}

    status = namespace_status(
        SOURCE, skills, tally=tallied(*skills.values()), history=(), before=None, now=NOW
    )

    ready = condition(status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message == "not served yet: a0, a1, a2, a3, a4 and 4 more"
