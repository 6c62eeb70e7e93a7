from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from daemon.catalogue import Catalogue, NamespaceTools, ServedChat, ServedSkill
from daemon.names import Digest, Namespace, SkillPath
from daemon.skill import Artifact, ChatSpec, Limits, RegistryRef, SkillKind, SkillSpec, World

PATH = SkillPath.parse("team", "greet")
ONE, TWO = Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64)


def _artifact(digest: Digest, identity: str) -> Artifact:
    return Artifact(identity, digest, World.V0_4, SkillKind.FUNCTION, Path(identity))


def _served(digest: Digest) -> ServedSkill:
    spec = SkillSpec(PATH, RegistryRef(host="registry"))
    return ServedSkill(spec, digest, _artifact(digest, "split"), Limits(), "r1", datetime.now(UTC))


def test_what_a_reader_holds_stays_as_it_was() -> None:
    """A call in flight finishes on the version that it began with."""
    catalogue = Catalogue()
    catalogue.serve(_served(ONE))
    held = catalogue.served[PATH]

    catalogue.serve(_served(TWO))

    assert isinstance(held, ServedSkill)
    assert held.digest == ONE
    assert catalogue.served[PATH] != held


def test_an_upgrade_swaps_the_artifact_of_the_same_digest_only() -> None:
    """A whole compile that ends late must not bring an old version back."""
    catalogue = Catalogue()
    catalogue.serve(_served(TWO))

    assert not catalogue.upgrade(PATH, _artifact(ONE, "whole"))
    assert catalogue.upgrade(PATH, _artifact(TWO, "whole"))

    skill = catalogue.served[PATH]
    assert isinstance(skill, ServedSkill)
    assert skill.artifact.id == "whole"


def test_chat_skills_have_no_artifact_to_upgrade() -> None:
    """They stream, and that is all that is known of them here."""
    catalogue = Catalogue()
    catalogue.serve(ServedChat(ChatSpec(PATH, "1", "m", "s"), "r", datetime.now(UTC)))

    assert not catalogue.upgrade(PATH, _artifact(ONE, "whole"))
    assert catalogue.served[PATH].kind is SkillKind.MESSAGE_STREAM


def test_retiring_and_forgetting_leave_nothing() -> None:
    """Also when done twice."""
    catalogue = Catalogue()
    catalogue.serve(_served(ONE))
    catalogue.enable_tools(Namespace("team"), NamespaceTools(native=("add",)))

    for _ in range(2):
        catalogue.retire(PATH)
        catalogue.forget(Namespace("team"))

    assert not catalogue.served
    assert not catalogue.tools
    assert not catalogue.statuses


def test_an_artifact_is_used_until_the_last_skill_lets_it_go() -> None:
    """Several Skills may be served by the same one."""
    catalogue = Catalogue()
    first = _served(ONE)
    other = replace(first, spec=replace(first.spec, path=SkillPath.parse("team", "other")))
    for skill in (first, first, other):
        catalogue.serve(skill)

    catalogue.upgrade(other.path, _artifact(ONE, "whole"))
    assert catalogue.uses("split")
    assert catalogue.uses("whole")

    catalogue.retire(PATH)
    catalogue.retire(PATH)
    assert not catalogue.uses("split")
    assert catalogue.uses("whole")
