import asyncio
import os
import threading
from pathlib import Path

import pytest

from daemon.reconcile.validate import validate
from tests.reconcile.syncers import write
from tests.waiting import until


def test_all_problems_of_a_root_are_found(tmp_path: Path) -> None:
    """In compilers' form; bad directory names as well."""
    write(tmp_path, "skills = [", namespace="a")
    write(tmp_path, 'skills = [{ name = "x", tga = "1" }]', namespace="b")
    write(tmp_path, "skills = []", namespace="Bad_Name")

    problems = [str(one) for one in validate(tmp_path)]

    assert len(problems) == 3
    assert "directory's name" in problems[0]
    assert problems[1].startswith(f"{tmp_path}/a/namespace.toml:1:")
    assert problems[2] == (
        f"{tmp_path}/b/namespace.toml:1:25: skills[0].tga: unknown key (did you mean `tag`?)"
    )


def test_one_namespace_or_one_file_may_be_given(tmp_path: Path) -> None:
    """As pre-commit does with the files of a commit."""
    write(tmp_path, "skills = [")

    assert len(validate(tmp_path / "team")) == 1
    assert len(validate(tmp_path / "team" / "namespace.toml")) == 1


@pytest.mark.parametrize("given", ["root", "root/team", "root/team/namespace.toml"])
def test_what_the_daemon_would_not_read_is_a_problem(tmp_path: Path, given: str) -> None:
    """However it is given: what is too large, and a pipe, for which a hook must not wait."""
    team = tmp_path / "root" / "team"
    write(tmp_path / "root", "#" * (1 << 20) + "\nskills = []")
    place = tmp_path / given

    assert [one.message for one in validate(place)] == ["larger than 1048576 bytes"]

    (team / "namespace.toml").unlink()
    os.mkfifo(team / "namespace.toml")
    assert [one.message for one in validate(place)] == ["not a regular file"]

    (team / "namespace.toml").unlink()
    (team / "namespace.toml").symlink_to("namespace.toml")
    assert [one.message for one in validate(tmp_path / "root")] == [
        "Too many levels of symbolic links"
    ]


async def test_a_root_that_is_swapped_again_and_again_is_a_problem(tmp_path: Path) -> None:
    """A syncer's hook may run beside the syncer."""
    trees = [f"tree{number}" for number in range(9)]
    for name in trees:
        write(tmp_path / name, "skills = []")
    root, stop = tmp_path / "root", threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for name in trees:
                (tmp_path / "new").symlink_to(name)
                (tmp_path / "new").replace(root)

    async with asyncio.TaskGroup() as group:
        swapping = group.create_task(asyncio.to_thread(swap), name="swap")
        await until(root.exists)
        try:
            while not (problems := await asyncio.to_thread(validate, root)):
                assert not swapping.done()
        finally:
            stop.set()

    assert [one.message for one in problems] == [f"{root} is being replaced again and again"]


def test_links_in_a_circle_are_a_problem(tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "root").symlink_to("root")

    assert len(validate(tmp_path / "root")) == 1


def test_nothing_to_validate_is_a_problem(tmp_path: Path) -> None:
    """A hook on a wrong directory must not pass for ever."""
    assert len(validate(tmp_path)) == 1
    assert len(validate(tmp_path / "none")) == 1


def test_a_good_root_has_no_problems(tmp_path: Path) -> None:
    """Silence is consent."""
    write(tmp_path, "skills = []")

    assert validate(tmp_path) == []
