import pytest

from daemon.api import wit
from daemon.skill import World


@pytest.mark.parametrize("world", list(World))
def test_every_world_that_we_serve_has_its_text(world: World) -> None:
    """Each names its own package version."""
    text = wit.text(world)

    version = "" if world is World.V0_1 else f"@{world.value}"
    assert f"package pharia:skill{version};" in text


def test_the_newest_world_is_the_last_one() -> None:
    """`World` is in order."""
    assert wit.NEWEST is World.V0_5


@pytest.mark.parametrize(
    ("version", "world"),
    [
        ("0.4.0", World.V0_4),
        ("0.4", World.V0_4),
        ("0.2.10", World.V0_2),
        ("unversioned", World.V0_1),
        ("0.4.1", None),
        ("0", None),
        ("", None),
        ("../secret", None),
    ],
)
def test_versions_are_found_with_and_without_patch(version: str, world: World | None) -> None:
    """Anything else is unknown."""
    assert wit.find(version) is world
