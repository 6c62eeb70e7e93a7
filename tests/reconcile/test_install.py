from dataclasses import replace
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


async def test_what_a_tag_meant_last_will_do_while_no_registry_can_tell(world: World) -> None:
    """For a Skill that does not answer, by the same wish; others keep what they have."""
    digest = world.registry.push("a", "v1", "A1")
    installed = await world.installer.install(SPEC, digest, phases=Phases())
    world.installer.served(SPEC, installed, revision="")
    world.registry.broken = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")
    other = SkillSpec(SPEC.path, SPEC.registry, Tag("v2"))

    assert await world.installer.resolve(SPEC, phases=Phases(), or_last=True) == digest
    for spec, or_last in ((SPEC, False), (other, True)):
        with pytest.raises(DaemonError):
            await world.installer.resolve(spec, phases=Phases(), or_last=or_last)


async def test_a_cap_under_which_no_call_could_start_is_refused(world: World) -> None:
    """At once, whether the Skill is new or served: what works must go on working."""
    digest = world.registry.push("a", "v1", "A1")
    installed = await world.installer.install(SPEC, digest, phases=Phases())
    large = replace(installed, artifact=replace(installed.artifact, memories=(3 << 20, 1 << 20)))
    served = world.installer.served(SPEC, large, revision="")

    tight = replace(SPEC, memory=6 << 20)
    assert world.installer.relabelled(served, tight, revision="").limits.memory == 6 << 20

    with pytest.raises(DaemonError, match=r"6.0 MiB .* 5.0 MiB: raise `memory`") as caught:
        world.installer.relabelled(served, replace(SPEC, memory=5 << 20), revision="")
    assert caught.value.kind is ErrorKind.SKILL_UNSERVABLE


def test_a_team_may_lower_its_caps_only(tmp_path: Path) -> None:
    """The operator's are the ceiling."""
    world = World(tmp_path)
    greedy = SkillSpec(SPEC.path, SPEC.registry, memory=1 << 40, timeout=1.0)

    assert world.installer.limits_of(greedy) == Limits(timeout=1.0)
