import asyncio
import os
import shutil
import threading
from itertools import count
from pathlib import Path

import pytest

from daemon.reconcile.snapshot import Snapshot, UnsettledError, read, settled
from tests.reconcile.conftest import until
from tests.reconcile.syncers import commit, git, project, repository, swap, write


def test_every_directory_with_a_file_is_a_namespace(tmp_path: Path) -> None:
    """Hidden directories, plain files and directories without the file are not."""
    write(tmp_path, "1", namespace="a")
    write(tmp_path, "2", namespace=".git")
    write(tmp_path, "3", namespace="..2024_01_01")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("x")

    assert read(tmp_path).files == {"a": b"1"}


def test_a_missing_root_is_a_problem_and_no_error(tmp_path: Path) -> None:
    """So is a file in its place, or links in a circle."""
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")

    assert read(tmp_path / "none").problem
    assert read(tmp_path / "circle").problem
    assert read(tmp_path / "file").problem
    assert not read(tmp_path / "none").names


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    """Too large, a directory, a FIFO (which must not hang)."""
    write(tmp_path, "x" * 2000, namespace="large")
    (tmp_path / "dir" / "namespace.toml").mkdir(parents=True)
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "namespace.toml")

    found = read(tmp_path, file_limit=1000)

    assert found.files == {}
    assert found.unreadable["large"] == "larger than 1000 bytes"
    assert set(found.unreadable) == {"large", "dir", "fifo"}


@pytest.mark.parametrize("file", ["/proc/uptime", "/proc/self/environ", "/dev/zero"])
def test_a_link_to_what_is_no_real_file_is_not_followed(tmp_path: Path, file: str) -> None:
    """Some are never twice the same, so that the root would never come to rest."""
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "namespace.toml").symlink_to(file)

    first, second = read(tmp_path), read(tmp_path)

    assert set(first.unreadable) == {"odd"}
    assert first == second


def test_content_is_what_counts(tmp_path: Path) -> None:
    """Not times, not the directory's place."""
    write(tmp_path / "one", "1")
    write(tmp_path / "two", "1")
    write(tmp_path / "three", "2")

    assert not read(tmp_path / "one").differing(read(tmp_path / "two"))
    assert read(tmp_path / "one").differing(read(tmp_path / "three")) == {"team"}


@pytest.mark.parametrize("syncer", ["git-sync", "config-map"])
def test_a_swap_meanwhile_never_shows_a_mixture_or_a_hole(tmp_path: Path, syncer: str) -> None:
    """Though the old tree is deleted at once: every snapshot has the file, old or new."""
    publish = swap if syncer == "git-sync" else project
    root = tmp_path / "link" if syncer == "git-sync" else tmp_path
    places = [tmp_path / f"tree{turn}" for turn in range(100)]
    first = places[0] if syncer == "git-sync" else "2024_0"
    publish(root, first, "0")  # type: ignore[arg-type]

    def swapping() -> None:
        for turn, place in enumerate(places[1:], 1):
            publish(root, place if syncer == "git-sync" else f"2024_{turn}", str(turn))  # type: ignore[arg-type]

    thread = threading.Thread(target=swapping)
    thread.start()
    seen = []
    while thread.is_alive():
        try:
            seen.append(read(root))
        except UnsettledError:
            continue
    thread.join()

    assert all(set(one.files) == {"team"} for one in seen)
    assert read(root).files == {"team": b"99"}


class Restless:
    """A task that adds to a file at every turn, from entering to leaving."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", buffering=1)
        self._task = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        with self._file:
            for turn in count():
                self._file.write(f"{turn}\n")
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Let the file be."""
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_a_half_written_file_is_not_taken_for_an_edit(tmp_path: Path) -> None:
    """Nothing is returned before two reads agree."""
    write(tmp_path, "whole")
    known = read(tmp_path)
    file = tmp_path / "team" / "namespace.toml"
    writer = Restless(file)
    reader = asyncio.ensure_future(settled(tmp_path, known=known, settle=0.05, patience=10_000))
    await until(lambda: file.stat().st_size > 1000)
    assert not reader.done()
    await writer.stop()

    found = await reader
    assert found.files["team"] == file.read_bytes()


async def test_a_file_that_never_rests_holds_up_nobody_else(tmp_path: Path) -> None:
    """Nothing is known of it until it rests, not even that it is gone."""
    write(tmp_path, "1", namespace="other")
    write(tmp_path, "whole", namespace="restless")
    known = read(tmp_path)
    writer = Restless(tmp_path / "restless" / "namespace.toml")
    write(tmp_path, "2", namespace="other")

    found = await settled(tmp_path, known=known, settle=0.01)
    assert found.files == {"other": b"2"}
    assert found.moving == {"restless"}

    await writer.stop()
    shutil.rmtree(tmp_path / "restless")
    assert found.differing(read(tmp_path)) == {"restless"}
    assert (await settled(tmp_path, known=found, settle=0.01)).names == {"other"}


async def test_what_is_known_is_returned_at_once(tmp_path: Path) -> None:
    """Only changes have to settle."""
    write(tmp_path, "1")
    known = read(tmp_path)

    async with asyncio.timeout(10):
        assert await settled(tmp_path, known=known, settle=3600) == known


async def test_a_root_in_motion_is_told(tmp_path: Path) -> None:
    """While git holds its lock, nothing is believed."""
    repository(tmp_path, "1")
    (tmp_path / ".git" / "index.lock").touch()

    with pytest.raises(UnsettledError):
        await settled(tmp_path, known=Snapshot(), settle=0.0, attempts=3)

    (tmp_path / ".git" / "index.lock").unlink()
    assert (await settled(tmp_path, known=Snapshot(), settle=0.0)).files == {"team": b"1"}


def test_a_git_pull_is_seen_with_its_commit(tmp_path: Path) -> None:
    """In a plain clone."""
    upstream, clone = tmp_path / "upstream", tmp_path / "clone"
    first = repository(upstream, "1")
    git(tmp_path, "clone", "-q", str(upstream), str(clone))
    assert read(clone).commit == first

    write(upstream, "2")
    second = commit(upstream)
    git(clone, "pull", "-q")

    assert (read(clone).files, read(clone).commit) == ({"team": b"2"}, second)


def test_a_tree_that_vanishes_is_a_missing_root(tmp_path: Path) -> None:
    """The guard against emptiness is the loader's."""
    write(tmp_path / "root", "1")
    shutil.rmtree(tmp_path / "root")

    assert read(tmp_path / "root").problem is not None
