import asyncio
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from daemon.catalogue import ServedSkill
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace, SkillName
from daemon.namespaces.operator import RemoteNamespace
from daemon.namespaces.status import ConditionType
from daemon.reconcile.loop import Reconciler
from daemon.reconcile.upgrade import Upgrades
from daemon.reconcile.watcher import Watcher
from daemon.skill import Artifact
from daemon.tasks import Tasks
from tests.fakes_reconcile import digest_of
from tests.reconcile.conftest import World, path, until
from tests.reconcile.syncers import swap

ONE = 'skills = [{ name = "a", tag = "v1" }]'
TWO = 'skills = [{ name = "a", tag = "v1" }, { name = "b", tag = "v1" }]'


async def test_what_is_wanted_is_served_and_reported(world: World) -> None:
    """Resolved, pulled, compiled, loaded, published, pinned and told."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE + '\nnative-tools = ["add"]')

    await world.reconcile()

    assert world.contents() == {"team/a": "A1"}
    assert world.catalogue.complete
    assert world.catalogue.tools[Namespace("team")].native == ("add",)
    assert world.condition(ConditionType.READY).reason == "ReconciliationSucceeded"
    assert len(world.store.pins) == 1
    (event,) = world.events
    assert event.action == "served"
    assert {"resolve", "pull", "compile", "load", "total"} <= event.phases.keys()


async def test_an_update_never_leaves_a_gap(world: World) -> None:
    """The old version answers until the new one is loaded, and is let go afterwards."""
    world.registry.push("a", "v1", "A1")
    world.registry.push("a", "v2", "A2")
    world.write("team", ONE)
    await world.reconcile()
    served_while_loading: list[dict[str, str]] = []

    def note(artifact: Artifact) -> None:
        served_while_loading.append(world.contents())

    world.workers.on_load = note
    world.write("team", 'skills = [{ name = "a", tag = "v2" }]')
    await world.reconcile()

    assert served_while_loading == [{"team/a": "A1"}]
    assert world.contents() == {"team/a": "A2"}
    assert len(world.workers.loaded) == 1
    assert len(world.store.pins) == 1


async def test_a_failed_install_spares_the_others_and_is_retried(world: World) -> None:
    """One missing tag does not stop its neighbour; it is tried again by itself."""
    world.registry.push("a", "v1", "A1")
    world.write("team", TWO)

    await world.reconcile()

    assert world.contents() == {"team/a": "A1"}
    assert world.condition(ConditionType.READY).reason == "ReconciliationFailed"
    assert world.catalogue.complete
    status = world.status().skills[SkillName("b")]
    assert status.error is not None and status.error.kind == "not-in-registry"
    assert status.next_attempt is not None

    world.registry.push("b", "v1", "B1")
    await until(lambda: len(world.catalogue.served) == 2)
    assert world.condition(ConditionType.READY).status == "True"


async def test_a_bug_in_one_installation_holds_up_nobody(world: World) -> None:
    """It is that Skill's failure, told and tried again; the first pass is over all the same."""
    world.registry.push("a", "v1", "A1")
    world.registry.push("b", "v1", "B1")
    world.write("team", TWO)

    def break_off(artifact: Artifact) -> None:
        if artifact.digest == digest_of("A1"):
            raise ValueError("embedded null byte")

    world.workers.on_load = break_off
    await world.reconcile()
    await until(lambda: world.catalogue.complete)

    assert world.contents() == {"team/b": "B1"}
    skill = world.status().skills[SkillName("a")]
    assert skill.error is not None
    assert skill.error.kind == ErrorKind.INTERNAL

    world.workers.on_load = lambda _: None
    world.reconciler.look_again()
    await world.reconcile()

    assert world.contents() == {"team/a": "A1", "team/b": "B1"}


async def test_a_broken_edit_changes_nothing_and_says_why(world: World) -> None:
    """Syntax errors, and entries held back."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()

    world.write("team", "skills = [")
    await world.reconcile()
    assert world.contents() == {"team/a": "A1"}
    assert world.condition(ConditionType.STALLED).status == "True"
    assert world.status().problems[0].line == 1

    world.write("team", 'skills = [{ name = "a", tag = "v 1" }]')
    await world.reconcile()
    assert world.contents() == {"team/a": "A1"}
    assert world.status().problems[0].entry == "a"

    world.write("team", ONE)
    await world.reconcile()
    assert world.condition(ConditionType.READY).status == "True"


async def test_a_removed_skill_and_a_removed_namespace_are_retired(world: World) -> None:
    """With their tools and their status."""
    world.registry.push("a", "v1", "A1")
    world.registry.push("b", "v1", "B1")
    world.write("team", TWO)
    world.write("other", ONE)
    await world.reconcile()

    world.write("team", ONE)
    shutil.rmtree(world.root / "other")
    await world.reconcile()

    assert world.contents() == {"team/a": "A1"}
    assert set(world.catalogue.statuses) == {"team"}
    assert len(world.store.pins) == 1
    assert world.status().history[-1].action == "retired"


async def test_a_slow_install_delays_nobody(world: World) -> None:
    """Neither its neighbours nor the next pass; and the newest wish supersedes it."""
    gate = world.registry.hanging["a"] = asyncio.Event()
    world.registry.push("a", "v1", "A1")
    world.registry.push("a", "v2", "A2")
    world.registry.push("b", "v1", "B1")
    world.write("team", TWO)

    await world.reconciler.reconcile_once()
    await until(lambda: world.contents() == {"team/b": "B1"})
    assert not world.catalogue.complete

    world.write("team", 'skills = [{ name = "a", tag = "v2" }, { name = "b", tag = "v1" }]')
    await world.reconciler.reconcile_once()
    gate.set()
    await world.reconciler.settled()
    assert world.contents() == {"team/a": "A2", "team/b": "B1"}
    assert world.catalogue.complete
    assert "A1" not in [content for content, _ in world.precompiler.compiled]


async def test_what_was_loaded_for_a_dropped_installation_is_unloaded(world: World) -> None:
    """Else each edit during an installation would leave a Skill in the workers."""
    world.workers.hanging = asyncio.Event()
    world.registry.push("a", "v1", "A1")
    world.registry.push("a", "v2", "A2")
    world.write("team", ONE)
    await world.reconciler.reconcile_once()
    await until(lambda: bool(world.workers.loaded))
    world.workers.hanging = None

    world.write("team", 'skills = [{ name = "a", tag = "v2" }]')
    await world.reconcile()

    assert world.contents() == {"team/a": "A2"}
    assert len(world.workers.loaded) == 1


async def test_an_installation_dropped_while_it_pins_leaves_no_pin(world: World) -> None:
    """A thread can't be cancelled, so its end is waited for."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    world.store.unlocked.clear()
    await world.reconciler.reconcile_once()
    await until(world.store.pinning.is_set)

    world.write("team", "skills = []")
    await world.reconciler.reconcile_once()
    asyncio.get_running_loop().call_later(0.1, world.store.unlocked.set)
    await world.reconciler.close()
    await until(world.store.pinned.is_set)

    assert world.store.pins == {}


async def test_a_dropped_installation_takes_no_pin_from_its_successor(world: World) -> None:
    """Both are of the same version; the first one ends late."""
    world.registry.push("a", "v1", "A1")
    world.workers.hanging, world.workers.lingering = asyncio.Event(), asyncio.Event()
    world.write("team", ONE)
    await world.reconciler.reconcile_once()
    await until(lambda: len(world.workers.loaded) == 1)
    world.write("team", ONE.replace("}", ', timeout = "1s" }'))
    await world.reconciler.reconcile_once()
    await until(lambda: len(world.workers.loaded) == 2)

    world.workers.lingering.set()
    await until(lambda: world.workers.left == 1)
    world.workers.hanging.set()
    await world.reconciler.settled()

    assert world.contents() == {"team/a": "A1"}
    assert len(world.store.pins) == 1


async def test_a_moved_tag_is_followed_and_a_pin_is_not(world: World) -> None:
    """Without any edit."""
    digest = world.registry.push("b", "v1", "B1")
    world.registry.push("a", "v1", "A1")
    world.write(
        "team", f'skills = [{{ name = "a", tag = "v1" }}, {{ name = "b", digest = "{digest}" }}]'
    )
    await world.reconcile()

    world.registry.push("a", "v1", "A2")
    await until(lambda: world.contents()["team/a"] == "A2")
    assert "b" not in world.registry.resolved


async def test_a_permanent_failure_waits_for_another_digest(world: World) -> None:
    """The same bytes are not compiled again and again."""
    world.precompiler.refused = {"BAD"}
    world.registry.push("a", "v1", "BAD")
    world.write("team", ONE)
    await world.reconcile()
    assert world.condition(ConditionType.STALLED).status == "True"
    seen = len(world.registry.resolved)

    await until(lambda: len(world.registry.resolved) > seen + 2)
    assert len(world.precompiler.compiled) == 1
    assert [event.action for event in world.events] == ["failed"]

    world.registry.push("a", "v1", "GOOD")
    await until(lambda: world.contents() == {"team/a": "GOOD"})
    assert world.condition(ConditionType.STALLED).status == "False"


async def test_registry_down_is_told_once_and_recovers_alone(world: World) -> None:
    """What is served stays served."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()

    world.registry.broken = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down", retry_after=0.0)
    await until(lambda: world.status().skills[SkillName("a")].error is not None)
    assert world.contents() == {"team/a": "A1"}
    assert world.condition(ConditionType.READY).status == "True"
    assert world.condition(ConditionType.RECONCILING).reason == "ProgressingWithRetry"

    world.registry.broken = None
    await until(lambda: world.events[-1].action == "recovered")
    assert [event.action for event in world.events] == ["served", "failed", "recovered"]


async def test_an_emptied_root_is_not_believed(world: World) -> None:
    """Nor a vanished one; it is reported, and all is well when it is back."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()

    shutil.rmtree(world.root)
    await world.reconcile()
    assert world.contents() == {"team/a": "A1"}
    assert world.condition(ConditionType.READY).reason == "EmptyGuard"

    world.root.mkdir()
    await world.reconcile()
    assert world.condition(ConditionType.READY).reason == "EmptyGuard"

    world.write("team", ONE)
    await world.reconcile()
    assert world.condition(ConditionType.READY).status == "True"


async def test_the_operator_may_allow_an_empty_root(tmp_path: Path) -> None:
    """Then everything is withdrawn."""
    world = World(tmp_path, allow_empty=True)
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()

    shutil.rmtree(world.root)
    await world.reconcile()

    assert world.contents() == {}
    await world.stop()


async def test_a_restart_serves_from_disk_without_a_registry(world: World) -> None:
    """Chat Skills as well; and the last good wish outlives a broken file."""
    chat = '{ type = "chat", name = "c", version = "1", model = "m", system_prompt = "p" }'
    world.registry.push("a", "v1", "A1")
    world.write("team", f'skills = [{{ name = "a", tag = "v1" }}, {chat}]')
    await world.reconcile()
    world.registry.broken = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")
    world.write("team", "skills = [")

    again = await world.restarted()
    await again.reconciler.restore()
    assert again.contents() == {"team/a": "A1", "team/c": "m"}
    assert again.workers.described == []

    await again.reconcile()
    assert again.contents() == {"team/a": "A1", "team/c": "m"}
    assert again.catalogue.complete
    await again.stop()


async def test_what_cannot_be_restored_is_not_kept_from_eviction(world: World) -> None:
    """It may never be wanted again."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()
    again = await world.restarted()

    def refuse(_: Artifact) -> None:
        raise DaemonError(ErrorKind.SKILL_NOT_READY, "no worker loads it")

    again.workers.on_load = refuse
    await again.reconciler.restore()

    assert again.contents() == {}
    assert again.store.pins == {}
    await again.stop()


async def test_what_fits_no_longer_is_compiled_anew_without_a_registry(world: World) -> None:
    """After an upgrade, or damage: at a restart, and while it is served."""
    digest = world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()
    world.registry.broken = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")
    world.store.artifact_path(digest, "split").unlink()

    again = await world.restarted()
    await again.reconciler.restore()
    assert again.contents() == {}
    await again.reconcile()
    assert again.contents() == {"team/a": "A1"}

    again.store.artifact_path(digest, "split").unlink()
    await again.reconcile()
    assert again.store.artifact_path(digest, "split").exists()
    await again.stop()


async def test_a_wiped_cache_is_filled_again(world: World) -> None:
    """The Skill never stops answering."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()

    shutil.rmtree(world.store.root)
    await world.reconcile()

    served = world.catalogue.served[path("team/a")]
    assert isinstance(served, ServedSkill)
    assert all(file.exists() for file in served.artifact.files)


async def test_a_full_disk_does_not_stop_what_needs_none(world: World) -> None:
    """State that can't be kept costs the next start, not this one."""
    world.store.full = True
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)

    await world.reconcile()

    assert world.contents() == {"team/a": "A1"}


async def test_caps_change_without_a_new_installation(world: World) -> None:
    """The same digest under another wish."""
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()

    world.write("team", 'skills = [{ name = "a", tag = "v1", timeout = "3s" }]')
    await world.reconcile()

    served = world.catalogue.served[path("team/a")]
    assert isinstance(served, ServedSkill)
    assert served.limits.timeout == 3.0
    assert len(world.precompiler.compiled) == 1


async def test_tiered_serves_split_first_and_whole_later(tmp_path: Path) -> None:
    """The upgrade swaps the artifact, its pin and what the workers hold."""
    world = World(tmp_path, policy="tiered")
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)

    async def once() -> AsyncIterator[None]:
        yield None
        await asyncio.Event().wait()

    running = asyncio.ensure_future(world.reconciler.run(once()))
    await until(lambda: [event.action for event in world.events] == ["served", "upgraded"])

    served = world.catalogue.served[path("team/a")]
    assert isinstance(served, ServedSkill)
    assert served.artifact.variant == "whole"
    assert world.workers.loaded == [served.artifact.id]
    assert list(world.store.pins.values()) == [served.artifact.files]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await world.stop()


async def test_a_remote_namespace_delays_only_completeness(tmp_path: Path) -> None:
    """Until it was tried once, an unknown Skill may still come."""
    (tmp_path / "n.toml").write_text(ONE)
    remote = RemoteNamespace(f"file://{tmp_path / 'n.toml'}")
    world = World(tmp_path, operators={Namespace("remote"): remote})
    fetched = asyncio.Event()
    world.loader.remotes.on_change = fetched.set
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)

    await world.reconcile()
    assert world.contents() == {"team/a": "A1"}
    assert not world.catalogue.complete

    await fetched.wait()
    await world.reconcile()
    assert world.contents() == {"team/a": "A1", "remote/a": "A1"}
    assert world.catalogue.complete
    await world.stop()


def serves(world: World, content: str) -> bool:
    """Whether the team's Skill is this one."""
    return world.contents() == {"team/a": content}


async def test_edits_go_live_by_themselves(world: World) -> None:
    """With the real watcher, hours before its timer; through syncers' swaps and broken edits."""
    for version in range(4):
        world.registry.push("a", f"v{version}", f"A{version}")
    shutil.rmtree(world.root)
    swap(world.root, world.path / "tree0", 'skills = [{ name = "a", tag = "v0" }]')
    watcher, tasks = Watcher(world.root, interval=3600.0), Tasks()
    running = world.reconciler.run(watcher.ticks(), watch_also=watcher.watch_also)
    tasks.spawn(running, name="reconcile")
    await until(lambda: world.contents() == {"team/a": "A0"})

    for version in range(1, 4):
        tree = world.path / f"tree{version}"
        swap(world.root, tree, f'skills = [{{ name = "a", tag = "v{version}" }}]')
        await until(partial(serves, world, f"A{version}"))

    world.write("team", "skills = [")
    await until(lambda: world.status().problems)
    world.write("team", 'skills = [{ name = "a", tag = "v1" }]')
    await until(lambda: world.contents() == {"team/a": "A1"})
    await tasks.close()


async def test_the_end_of_an_endless_task_ends_the_run(tmp_path: Path) -> None:
    """A bug must be seen by whoever restarts us; here, nothing would be upgraded any more."""
    world = World(tmp_path, policy="tiered")
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    upgrades = Upgrades(
        installer=world.installer,
        precompiler=world.precompiler,
        workers=world.workers,
        heat=lambda path: 1 / 0,
    )
    reconciler = Reconciler(
        loader=world.loader,
        installer=world.installer,
        catalogue=world.catalogue,
        upgrades=upgrades,
    )
    with pytest.raises(ExceptionGroup) as caught:
        await reconciler.run(Watcher(world.root, interval=3600.0).ticks())
    assert caught.group_contains(ZeroDivisionError)


@pytest.mark.parametrize(
    "error",
    [
        DaemonError(ErrorKind.REGISTRY_REFUSED, "401: the token is expired", retry_after=0.0),
        DaemonError(ErrorKind.REGISTRY_RATE_LIMITED, "429", retry_after=0.2),
        DaemonError(ErrorKind.DIGEST_MISMATCH, "wrong bytes"),
    ],
)
async def test_a_first_installation_recovers_by_itself(world: World, error: DaemonError) -> None:
    """From whatever passes."""
    world.registry.push("a", "v1", "A1")
    world.registry.broken = error
    world.write("team", ONE)
    await world.reconcile()
    assert world.contents() == {}

    world.registry.broken = None

    await until(lambda: world.contents() == {"team/a": "A1"})


async def test_a_registry_that_hangs_fails_the_attempt(tmp_path: Path) -> None:
    """And is told."""
    world = World(tmp_path, patience=0.05)
    world.registry.hanging["a"] = asyncio.Event()
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)

    await world.reconcile()

    error = world.status().skills[SkillName("a")].error
    assert error is not None
    assert "was not done within 0.05 s" in error.message
    assert world.catalogue.complete


async def test_a_long_line_before_the_compiler_fails_nobody(tmp_path: Path) -> None:
    """Fifty slow compiles are slow, and no fault of the last of them."""
    world = World(tmp_path, patience=0.05)
    world.precompiler.free.clear()
    asyncio.get_running_loop().call_later(0.2, world.precompiler.free.set)
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)

    await world.reconcile()

    assert world.contents() == {"team/a": "A1"}
    assert {one.action for one in world.events} == {"served"}


async def test_a_look_on_demand_asks_for_moved_tags_at_once(tmp_path: Path) -> None:
    """As a webhook of the registry wants it."""
    world = World(tmp_path, interval=3600.0)
    world.registry.push("a", "v1", "A1")
    world.write("team", ONE)
    await world.reconcile()
    world.registry.push("a", "v1", "A2")
    await world.reconcile()
    assert world.contents() == {"team/a": "A1"}

    world.reconciler.look_again()
    await world.reconcile()

    assert world.contents() == {"team/a": "A2"}
    await world.stop()


async def test_thousands_of_skills_that_fail_leave_time_for_others(tmp_path: Path) -> None:
    """What one of them meets costs the same, however many there are; the file's size is enough."""
    world = World(tmp_path, interval=3600.0)
    entries = ",\n".join(f'{{ name = "a{number}" }}' for number in range(4000))
    world.write("team", f"skills = [{entries}]")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    tasks = Tasks()
    async with asyncio.timeout(60):
        tasks.spawn(others(), name="others")
        await world.reconcile()
        await until(lambda: world.catalogue.complete, timeout=60)

    assert turns > 4000
    assert len(world.status().skills) == 4000
    assert "a0, a1, a10, a100, a1000 and 3995 more" in world.condition(ConditionType.READY).message
    await tasks.close()
    await world.stop()


async def test_what_a_silent_remote_namespace_served_is_as_wanted(tmp_path: Path) -> None:
    """After a restart that lost its last good wish: the namespace is unknown, its Skill is not."""
    (tmp_path / "n.toml").write_text(ONE)
    remote = RemoteNamespace(f"file://{tmp_path / 'n.toml'}")
    world = World(tmp_path, operators={Namespace("remote"): remote})
    fetched = asyncio.Event()
    world.loader.remotes.on_change = fetched.set
    world.registry.push("a", "v1", "A1")
    await world.reconcile()
    await fetched.wait()
    await world.reconcile()
    assert world.contents() == {"remote/a": "A1"}

    again = await world.restarted()
    (again.store.root / "wishes.json").unlink()
    await again.reconciler.restore()
    await again.reconcile()

    assert again.contents() == {"remote/a": "A1"}
    skill = again.status("remote").skills[SkillName("a")]
    assert skill.wanted_tag == "v1"
    assert skill.conditions[0].status == "True"
    assert again.condition(ConditionType.READY, "remote").status == "Unknown"
    await again.stop()
