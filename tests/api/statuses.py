"""A catalogue with one of everything: served, chat, failing, and a broken namespace."""

from datetime import UTC, datetime
from pathlib import Path

from daemon.catalogue import Catalogue, NamespaceTools, ServedChat, ServedSkill
from daemon.names import Digest, Namespace, SkillName, SkillPath, Tag
from daemon.namespaces.status import (
    Condition,
    ConditionType,
    HistoryEntry,
    NamespaceStatus,
    Problem,
    SkillStatus,
)
from daemon.skill import (
    Artifact,
    ChatSpec,
    Description,
    Failure,
    Limits,
    RegistryRef,
    SkillKind,
    SkillMetadata,
    SkillSpec,
    World,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DIGEST = Digest("sha256:" + "a" * 64)
TEAM = Namespace("my-team")
HELLO = SkillPath(TEAM, SkillName("hello"))
CHAT = SkillPath(TEAM, SkillName("chat"))
REVISION = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def condition(kind: ConditionType, status: str, reason: str) -> Condition:
    """A condition since noon."""
    return Condition(kind, status, reason, f"because of {reason}", NOON)


def hello() -> ServedSkill:
    """A served function with metadata."""
    return ServedSkill(
        spec=SkillSpec(HELLO, RegistryRef("registry.example", "skills"), Tag("v1")),
        digest=DIGEST,
        artifact=Artifact("a1", DIGEST, World.V0_4, SkillKind.FUNCTION, Path("c.cwasm")),
        limits=Limits(),
        revision=REVISION,
        since=NOON,
        description=Description(SkillMetadata("Greets", {"type": "object"}, {"type": "object"})),
    )


def team() -> NamespaceStatus:
    """One Skill is served, one can't be; one entry of the file is wrong."""
    ready = condition(ConditionType.READY, "True", "Succeeded")
    stalled = condition(ConditionType.STALLED, "True", "NotAComponent")
    failing = SkillStatus(
        SkillName("broken"),
        (condition(ConditionType.READY, "False", "NotAComponent"), stalled),
        wanted_tag="v2",
        error=Failure("not-a-component", "it is a core module"),
        next_attempt=NOON,
    )
    served = SkillStatus(
        HELLO.name, (ready,), "v1", DIGEST, "v1", DIGEST, SkillKind.FUNCTION, "0.4.0", "whole"
    )
    mistake = Problem(
        "namespace.toml", 3, 1, "skils", "unknown key", "did you mean 'skills'?", SkillName("odd")
    )
    return NamespaceStatus(
        TEAM,
        "namespaces/my-team/namespace.toml",
        "team",
        (condition(ConditionType.READY, "False", "InvalidConfiguration"),),
        REVISION,
        None,
        (mistake,),
        {failing.name: failing, served.name: served},
        (HistoryEntry(NOON, REVISION, "served", HELLO.name, "v1"),),
    )


def catalogue() -> Catalogue:
    """All of it."""
    made = Catalogue()
    made.serve(hello())
    made.serve(ServedChat(ChatSpec(CHAT, "1", "a-model", "Be kind."), REVISION, NOON))
    made.report(team())
    made.enable_tools(TEAM, NamespaceTools(("add",), ("http://b.example", "http://a.example")))
    return made
