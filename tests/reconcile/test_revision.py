import os
import time
from pathlib import Path

from daemon.reconcile.revision import commit_of, git_directory, is_updating
from tests.reconcile.syncers import commit, git, repository, write

SHA = "0123456789abcdef0123456789abcdef01234567"


def test_a_commit_in_the_path_is_git_syncs(tmp_path: Path) -> None:
    """Also when the root is below it."""
    assert commit_of(tmp_path / SHA / "namespaces") == SHA


def test_loose_packed_and_detached_heads_are_read(tmp_path: Path) -> None:
    """As git itself would say."""
    first = repository(tmp_path, "1")
    assert commit_of(tmp_path / "team") == first

    git(tmp_path, "pack-refs", "--all", "--prune")
    assert commit_of(tmp_path) == first

    write(tmp_path, "2")
    second = commit(tmp_path)
    assert commit_of(tmp_path) == second

    git(tmp_path, "checkout", "-q", "--detach", first)
    assert commit_of(tmp_path) == first


def test_worktrees_are_followed(tmp_path: Path) -> None:
    """Their refs are in the repository that they belong to."""
    sha = repository(tmp_path / "main", "1")
    git(tmp_path / "main", "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))

    assert commit_of(tmp_path / "tree") == sha


def test_without_git_there_is_no_commit(tmp_path: Path) -> None:
    """Nor in a repository without commits, nor with a HEAD that leads astray."""
    assert commit_of(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/../../../etc/passwd")
    assert commit_of(tmp_path) is None


def test_a_lock_means_that_git_is_writing(tmp_path: Path) -> None:
    """Found from any directory of the work tree."""
    repository(tmp_path, "1")
    assert git_directory(tmp_path / "team") == tmp_path / ".git"
    assert not is_updating(tmp_path / "team")

    lock = tmp_path / ".git" / "index.lock"
    lock.touch()

    assert is_updating(tmp_path / "team")

    for age in (-3600, 3600):  # the clock was set back, or git has crashed
        changed = time.time() - age
        os.utime(lock, (changed, changed))
        assert not is_updating(tmp_path / "team")
