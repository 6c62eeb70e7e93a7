import asyncio
import ctypes
import errno
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.reconcile.watcher import Watcher, targets
from daemon.tasks import Tasks
from tests.reconcile.conftest import until
from tests.reconcile.syncers import commit, git, project, repository, swap, write

HOUR = 3600.0


class Ticking:
    """Counts the ticks of a watcher; `settle` waits until it is armed and its ticks are taken."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.count = 0

    async def run(self) -> None:
        """Take all ticks."""
        async for _ in self.watcher.ticks():
            self.count += 1

    async def ticked(self, before: int) -> None:
        """Wait for a tick after the *before*-th."""
        await until(lambda: self.count > before)


@asynccontextmanager
async def ticking(watcher: Watcher) -> AsyncIterator[Ticking]:
    """Run *watcher* until the block ends."""
    tasks, ticks = Tasks(), Ticking(watcher)
    tasks.spawn(ticks.run(), name="ticks")
    await watcher.armed.wait()
    await until(lambda: ticks.count >= 2)  # the first, and the one for what came before arming
    yield ticks
    await tasks.close()


async def test_an_edit_and_a_kick_tick(tmp_path: Path) -> None:
    """Long before the timer would."""
    write(tmp_path / "root", "1")
    async with ticking(Watcher(tmp_path / "root", interval=HOUR)) as ticks:
        before = ticks.count
        write(tmp_path / "root", "2")
        await ticks.ticked(before)

        before = ticks.count
        ticks.watcher.kick()
        await ticks.ticked(before)


async def test_an_editors_rename_over_ticks(tmp_path: Path) -> None:
    """Again and again: the watch is not bound to the first file."""
    root = tmp_path / "root"
    write(root, "0")
    async with ticking(Watcher(root, interval=HOUR)) as ticks:
        for turn in range(3):
            before = ticks.count
            temporary = root / "team" / ".namespace.toml.swp"
            temporary.write_text(str(turn))
            temporary.replace(root / "team" / "namespace.toml")
            await ticks.ticked(before)


async def test_the_timer_ticks_without_any_change(tmp_path: Path) -> None:
    """The safety net, with jitter."""
    async with ticking(Watcher(tmp_path, interval=0.01, jitter=lambda: 1.0)) as ticks:
        await ticks.ticked(ticks.count + 3)


async def test_every_swap_of_a_link_ticks(tmp_path: Path) -> None:
    """A watch on the link itself would go silent after the first; the root is below the link."""
    base = tmp_path / "git"
    base.mkdir()
    swap(base / "link", base / "0", "0")
    async with ticking(Watcher(base / "link" / "team", interval=HOUR)) as ticks:
        for turn in range(1, 5):
            before = ticks.count
            swap(base / "link", base / str(turn), str(turn))
            await ticks.ticked(before)


async def test_edits_behind_a_swapped_link_tick(tmp_path: Path) -> None:
    """The new tree is watched as the old one was."""
    base = tmp_path / "git"
    base.mkdir()
    swap(base / "link", base / "0", "0")
    async with ticking(Watcher(base / "link", interval=HOUR)) as ticks:
        swap(base / "link", base / "1", "1")
        await until(lambda: _watches(ticks.watcher, base / "1"))

        before = ticks.count
        write(base / "1", "edited")
        await ticks.ticked(before)


def _watches(watcher: Watcher, directory: Path, *, flat: bool = False) -> bool:
    watched = watcher.watched
    if watched is None or not watcher.armed.is_set():
        return False
    return any(one.path == str(directory) for one in (watched.near if flat else watched.trees))


async def test_a_root_that_vanishes_and_comes_back_ticks(tmp_path: Path) -> None:
    """With a new inode of the same name, and with a parent that comes later."""
    root = tmp_path / "deep" / "root"
    async with ticking(Watcher(root, interval=HOUR)) as ticks:
        for _ in range(3):
            before = ticks.count
            write(root, "here")
            await ticks.ticked(before)
            await until(lambda: _watches(ticks.watcher, root))

            before = ticks.count
            shutil.rmtree(tmp_path / "deep")
            await ticks.ticked(before)
            await until(lambda: not _watches(ticks.watcher, root) and ticks.watcher.armed.is_set())


async def test_further_directories_are_watched_on_demand(tmp_path: Path) -> None:
    """Where components lie."""
    skills = tmp_path / "skills"
    skills.mkdir()
    (tmp_path / "root").mkdir()
    async with ticking(Watcher(tmp_path / "root", interval=HOUR)) as ticks:
        ticks.watcher.watch_also([skills])
        await until(lambda: _watches(ticks.watcher, skills, flat=True))

        before = ticks.count
        (skills / "a.wasm").write_bytes(b"")
        await ticks.ticked(before)


def test_what_a_team_names_is_not_watched_below(tmp_path: Path) -> None:
    """A path such as `/` would use up inotify, and never be silent; nor need it be there."""
    long = tmp_path / ("x" * 5000)

    found = targets(tmp_path, [Path("/"), long, tmp_path / "none"])

    assert {one.path for one in found.trees} == {str(tmp_path)}
    assert {"/", str(tmp_path)} <= {one.path for one in found.near}


async def test_without_inotify_it_polls_and_recovers(tmp_path: Path) -> None:
    """The limit of instances is used up for real, then freed."""
    hogs: list[int] = []
    try:
        ticks, tasks = await starved(tmp_path, hogs)
        await until(lambda: ticks.count > 3)
    finally:
        for descriptor in hogs:
            os.close(descriptor)

    await until(lambda: not ticks.watcher.polling and ticks.watcher.armed.is_set())
    before = ticks.count
    (tmp_path / "new").mkdir()
    await ticks.ticked(before)
    await tasks.close()


def decided(watcher: Watcher) -> bool:
    """Whether inotify was had or not."""
    return watcher.polling or watcher.armed.is_set()


async def starved(root: Path, hogs: list[int]) -> tuple[Ticking, Tasks]:
    """Start a watcher without inotify; again, if another process let an instance go just then."""
    while True:
        hogs += exhaust_inotify()
        ticks, tasks = Ticking(Watcher(root, interval=HOUR, polling_interval=0.01)), Tasks()
        tasks.spawn(ticks.run(), name="ticks")
        await until(partial(decided, ticks.watcher))
        if ticks.watcher.polling:
            return ticks, tasks
        await tasks.close()


def exhaust_inotify() -> list[int]:
    """Open inotify instances until there are no more."""
    libc = ctypes.CDLL(None, use_errno=True)
    hogs: list[int] = []
    while (descriptor := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
        hogs.append(descriptor)
        if len(hogs) > 4096:
            for one in hogs:
                os.close(one)
            pytest.skip("this user may have too many inotify instances to use them up")
    assert ctypes.get_errno() == errno.EMFILE
    return hogs


async def test_a_git_pull_ticks(tmp_path: Path) -> None:
    """In a plain clone."""
    upstream, clone = tmp_path / "upstream", tmp_path / "clone"
    repository(upstream, "1")
    git(tmp_path, "clone", "-q", str(upstream), str(clone))
    async with ticking(Watcher(clone, interval=HOUR)) as ticks:
        before = ticks.count
        write(upstream, "2")
        commit(upstream)
        await asyncio.to_thread(git, clone, "pull", "-q")
        await ticks.ticked(before)


async def test_a_config_map_update_ticks(tmp_path: Path) -> None:
    """Each of several."""
    project(tmp_path, "2024_1", "1")
    async with ticking(Watcher(tmp_path, interval=HOUR)) as ticks:
        for turn in range(2, 5):
            before = ticks.count
            project(tmp_path, f"2024_{turn}", str(turn))
            await ticks.ticked(before)


async def test_a_name_that_is_no_text_costs_neither_a_core_nor_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads the file below it makes an event, which can't be told, so watching fails."""
    directory = tmp_path / os.fsdecode(b"b\xffd")
    directory.mkdir()
    (directory / "namespace.toml").touch()
    watcher = Watcher(tmp_path, interval=HOUR, polling_interval=0.01)
    count = 0
    async with aclosing(watcher.ticks()) as ticks:
        async for _ in ticks:
            (directory / "namespace.toml").read_bytes()
            count += 1
            if count == 10:
                break

    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_the_end_of_watching_ends_the_ticks(tmp_path: Path) -> None:
    """A bug must be seen by whoever restarts us; no change would tick any more."""
    broken: Any = "soon"  # no number: the watch ends when it is armed
    ticks = Ticking(Watcher(tmp_path, interval=HOUR, debounce=broken))
    with pytest.raises(ExceptionGroup) as caught:
        await ticks.run()
    assert caught.group_contains(ValueError)


def test_targets_are_the_parents_of_links_and_the_real_tree(tmp_path: Path) -> None:
    """All along the way; a loop of links is no tree."""
    (tmp_path / "real" / "tree").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to("../real")
    (tmp_path / "loop").symlink_to("loop")

    found = targets(tmp_path / "links" / "one" / "tree", [tmp_path / "loop"])

    assert {one.path for one in found.near} == {
        str(tmp_path / "links"),
        str(tmp_path / "real"),
        str(tmp_path),
    }
    assert {one.path for one in found.trees} == {str(tmp_path / "real" / "tree")}
