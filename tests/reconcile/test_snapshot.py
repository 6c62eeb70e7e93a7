import asyncio
import os
import shutil
import threading
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
    """So is a file in its place."""
    (tmp_path / "file").write_text("")

    assert read(tmp_path / "none").problem
    assert read(tmp_path / "file").problem
    assert read(tmp_path / "none").empty


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
    assert first.content == second.content


def test_content_is_what_counts(tmp_path: Path) -> None:
    """Not times, not the directory's place."""
    write(tmp_path / "one", "1")
    write(tmp_path / "two", "1")
    write(tmp_path / "three", "2")

    assert read(tmp_path / "one").content == read(tmp_path / "two").content
    assert read(tmp_path / "one").content != read(tmp_path / "three").content


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


async def test_a_half_written_file_is_not_taken_for_an_edit(tmp_path: Path) -> None:
    """Nothing is returned before two reads agree."""
    write(tmp_path, "whole")
    known = read(tmp_path)
    file = (tmp_path / "team" / "namespace.toml").open("w", buffering=1)
    stop = asyncio.Event()

    async def writing() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            file.write(f"{turn}\n")
            await asyncio.sleep(0)

    writer = asyncio.ensure_future(writing())
    reader = asyncio.ensure_future(settled(tmp_path, known=known, settle=0.05))
    await until(lambda: (tmp_path / "team" / "namespace.toml").stat().st_size > 1000)
    assert not reader.done()
    stop.set()
    await writer
    file.close()

    found = await reader
    assert found.files["team"] == (tmp_path / "team" / "namespace.toml").read_bytes()


async def test_what_is_known_is_returned_at_once(tmp_path: Path) -> None:
    """Only changes have to settle."""
    write(tmp_path, "1")
    known = read(tmp_path)

    async with asyncio.timeout(10):
        assert (await settled(tmp_path, known=known, settle=3600)).content == known.content


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
