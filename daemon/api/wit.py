"""
The WIT texts that Skills are built against.

They lie at `wit/` in a checkout and at `daemon/_wit` in an installed package. Leaves out what a
world means to the runtime (`component/worlds`).
"""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from daemon.skill import World

NEWEST = list(World)[-1]


def _root() -> Traversable:
    packaged = files("daemon") / "_wit"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "wit"


@cache
def text(world: World) -> str:
    """The WIT package of *world*."""
    return (_root() / world.value / "skill.wit").read_text(encoding="utf-8")


def find(version: str) -> World | None:
    """The world of a version as people write it: `0.4`, `0.4.0` or `unversioned`."""
    for world in World:
        if version == world.value or (world.value[0] == "0" and version == _minor(world)):
            return world
    return None


def _minor(world: World) -> str:
    return ".".join(world.value.split(".")[:2])
