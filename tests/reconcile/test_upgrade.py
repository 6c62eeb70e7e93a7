from pathlib import Path

from daemon.catalogue import ServedSkill
from daemon.reconcile.upgrade import Upgrades
from daemon.skill import Artifact
from tests.reconcile.conftest import World


async def split_skills(world: World, *names: str) -> list[ServedSkill]:
    """Serve Skills of these names, split."""
    for name in names:
        world.registry.push(name, "latest", name)
    world.write("team", "".join(f'[[skills]]\nname = "{name}"\n' for name in names))
    await world.reconcile()
    return [one for one in world.catalogue.served.values() if isinstance(one, ServedSkill)]


async def order_of(upgrades: Upgrades, count: int) -> list[str]:
    """Upgrade so many, and return their names in order."""
    done: list[str] = []

    async def publish(skill: ServedSkill, artifact: Artifact) -> None:
        assert artifact.variant == "whole"
        done.append(skill.path.name)

    for _ in range(count):
        await upgrades.upgrade_next(publish)
    return done


async def test_the_hottest_goes_first_then_the_newest(tmp_path: Path) -> None:
    """Compiling whole takes seconds: it goes where it is felt."""
    world = World(tmp_path, policy="tiered")
    skills = {str(one.path.name): one for one in await split_skills(world, "a", "b", "c")}
    upgrades = Upgrades(
        installer=world.installer,
        precompiler=world.precompiler,
        workers=world.workers,
        heat=lambda path: 1.0 if path.name == "b" else 0.0,
    )
    for name in "abc":
        upgrades.add(skills[name])

    assert await order_of(upgrades, 3) == ["b", "c", "a"]
    await world.stop()


async def test_what_does_not_compile_whole_stays_split(tmp_path: Path) -> None:
    """And what was retired meanwhile is not compiled."""
    world = World(tmp_path, policy="tiered")
    skills = {str(one.path.name): one for one in await split_skills(world, "a", "b")}
    upgrades = Upgrades(
        installer=world.installer, precompiler=world.precompiler, workers=world.workers
    )
    world.precompiler.refused = {"b"}
    for name in "ab":
        upgrades.add(skills[name])
    upgrades.drop(skills["a"].path)

    assert await order_of(upgrades, 1) == []
    await world.stop()
