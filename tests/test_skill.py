from pathlib import Path

from daemon.names import Digest
from daemon.skill import Artifact, Limits, RegistryRef, SkillKind, World

DIGEST = Digest("sha256:" + "0" * 64)


def test_a_skill_may_lower_its_caps_but_not_raise_them() -> None:
    """The operator's caps are the upper bound."""
    caps = Limits(memory=100, timeout=10, concurrency=5)

    lowered = caps.tightened(memory=50, timeout=20, concurrency=None)

    assert (lowered.memory, lowered.timeout, lowered.concurrency) == (50, 10, 5)


def test_an_artifact_knows_its_variant_and_files() -> None:
    """All of them must stay while it is served."""
    shared = (("module", Path("m")),)
    split = Artifact("a", DIGEST, World.V0_4, SkillKind.FUNCTION, Path("c"), shared)
    whole = Artifact("b", DIGEST, World.V0_4, SkillKind.FUNCTION, Path("c"))

    assert (split.variant, split.files) == ("split", (Path("c"), Path("m")))
    assert (whole.variant, whole.files) == ("whole", (Path("c"),))


def test_a_registry_reads_as_an_operator_wrote_it() -> None:
    """In logs and on the status page."""
    assert str(RegistryRef(host="r:5000", repository="a/b")) == "r:5000/a/b"
    assert str(RegistryRef(host="r")) == "r"
    assert str(RegistryRef(directory=Path("x"))) == "x"


def test_a_world_says_what_callers_are_told_of_it() -> None:
    """Its minor version, where its functions can say what they are."""
    told = {world: (world.has_metadata, world.line) for world in World}

    assert told == {
        World.V0_1: (False, None),
        World.V0_2: (False, None),
        World.V0_3: (True, "0.3"),
        World.V0_4: (True, "0.4"),
        World.V0_5: (True, "0.5"),
    }
