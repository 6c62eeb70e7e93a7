from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Tag
from daemon.reconcile.install import Phases
from daemon.skill import Limits, RegistryRef, SkillSpec
from tests.reconcile.conftest import World, path

SPEC = SkillSpec(path("team/a"), RegistryRef(host="registry.example.org"), Tag("v1"))


async def test_what_is_cached_is_neither_pulled_nor_compiled_again(world: World) -> None:
    """Only loaded."""
    digest = world.registry.push("a", "v1", "A1")
    first = await world.installer.install(SPEC, digest, phases=Phases())

    second = await world.installer.install(SPEC, digest, phases=Phases())

    assert first == second
    assert world.registry.pulled == ["a"]
    assert len(world.precompiler.compiled) == 1
    assert len(world.workers.described) == 1


async def test_a_pin_is_not_resolved(world: World) -> None:
    """The digest is the wish."""
    digest = world.registry.push("a", "v1", "A1")
    pinned = SkillSpec(SPEC.path, SPEC.registry, digest=digest)

    assert await world.installer.resolve(pinned, phases=Phases()) == digest
    assert world.registry.resolved == []


async def test_a_failed_pull_leaves_no_temporary_file(world: World) -> None:
    """The cache would have to sweep it."""
    digest = world.registry.push("a", "v1", "A1")
    world.registry.broken = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")

    with pytest.raises(DaemonError):
        await world.installer.install(SPEC, digest, phases=Phases())

    assert list(world.store.root.glob("*.tmp")) == []


async def test_restoring_asks_no_registry(world: World, tmp_path: Path) -> None:
    """What is not on disk is None."""
    digest = world.registry.push("a", "v1", "A1")
    assert await world.installer.restore(SPEC, digest) is None
    await world.installer.install(SPEC, digest, phases=Phases())
    world.registry.broken = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")

    found = await world.installer.restore(SPEC, digest)

    assert found is not None
    assert found.digest == digest


def test_a_team_may_lower_its_caps_only(tmp_path: Path) -> None:
    """The operator's are the ceiling."""
    world = World(tmp_path)
    greedy = SkillSpec(SPEC.path, SPEC.registry, memory=1 << 40, timeout=1.0)

    assert world.installer.limits_of(greedy) == Limits(timeout=1.0)
