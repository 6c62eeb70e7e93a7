"""
Which WIT world a component speaks, from the names of what it exports. Pure.

Versions of one minor line are compatible downwards: the newest patch serves all older ones.
Leaves out whether the component's imports can be met, which the linker knows.
"""

import re
from collections.abc import Iterator

from daemon.component.binary import Buffer, Sort, exports
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, World

_INTERFACE = re.compile(r"pharia:skill/(?P<name>[^@]+)@(?P<version>.+)")
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_KINDS = {"skill-handler": SkillKind.FUNCTION, "message-stream": SkillKind.MESSAGE_STREAM}

Version = tuple[int, int, int]


def _parse(version: str) -> Version | None:
    match = _VERSION.fullmatch(version)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def _versioned() -> Iterator[tuple[Version, World]]:
    for world in World:
        version = _parse(world.value)
        if version is not None:
            yield version, world


_NEWEST_PATCHES = dict(_versioned())
_OLDEST_MINOR = min(_NEWEST_PATCHES)[:2]
_SERVED = ", ".join(world.value for world in World)


def detect(component: Buffer) -> tuple[World, SkillKind]:
    """
    Return the world of the binary *component* and on which route it answers.

    Raises DaemonError: NOT_A_COMPONENT, NO_SUPPORTED_WORLD, WORLD_NOT_YET_SUPPORTED,
    WORLD_NO_LONGER_SUPPORTED.
    """
    exported = list(exports(component))
    for named in exported:
        match = _INTERFACE.fullmatch(named.name)
        if match is None or named.item.sort != Sort.INSTANCE:
            continue
        world = _world(match["version"])  # before the name: a wrong version fails at once
        if match["name"] in _KINDS:
            return world, _KINDS[match["name"]]
    if any(named.name == "run" and named.item.sort == Sort.FUNC for named in exported):
        return World.V0_1, SkillKind.FUNCTION
    raise DaemonError(
        ErrorKind.NO_SUPPORTED_WORLD,
        "the component does not use a supported pharia:skill world: it exports neither "
        "pharia:skill/skill-handler nor pharia:skill/message-stream; build it with the SDK, or "
        f"against the WIT of this installation ({_SERVED})",
    )


def _world(text: str) -> World:
    """Return the world that serves version *text*."""
    version = _parse(text)
    if version is None or version[:2] >= _OLDEST_MINOR:
        for newest, world in _NEWEST_PATCHES.items():
            if version is not None and version[:2] == newest[:2] and version <= newest:
                return world
        raise DaemonError(
            ErrorKind.WORLD_NOT_YET_SUPPORTED,
            f"pharia:skill version {text} is not supported by this installation yet "
            f"(it serves {_SERVED}): update skilld, or build the Skill with an older SDK",
        )
    raise DaemonError(
        ErrorKind.WORLD_NO_LONGER_SUPPORTED,
        f"pharia:skill version {text} is no longer supported (this installation serves "
        f"{_SERVED}): upgrade the SDK and build the Skill again",
    )
