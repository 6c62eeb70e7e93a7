"""
Which git commit a directory shows, read from its files and never by running git.

A syncer's checkout may belong to another user, where git itself refuses to work. Leaves out
whether the work tree is clean: the loader compares contents.
"""

import re
import time
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SMALL = 4096
_STALE_LOCK = 60.0


def commit_of(directory: Path) -> str | None:
    """Return the commit SHA of a resolved directory, None where none can be read."""
    for one in (directory, *directory.parents):
        if _COMMIT.fullmatch(one.name):  # git-sync names its work trees so
            return one.name
    git = git_directory(directory)
    return _head(git) if git is not None else None


def git_directory(directory: Path) -> Path | None:
    """Return the `.git` directory that governs *directory*, through a worktree's `.git` file."""
    for one in (directory, *directory.parents):
        marker = one / ".git"
        if marker.is_dir():
            return marker
        pointer = _text(marker)
        if pointer.startswith("gitdir:"):
            return (one / pointer.removeprefix("gitdir:").strip()).resolve()
    return None


def is_updating(directory: Path) -> bool:
    """Tell whether git is writing the work tree; a crash's lock counts for a minute."""
    git = git_directory(directory)
    if git is None:
        return False
    try:
        age = time.time() - (git / "index.lock").stat().st_mtime
    except OSError:
        return False
    return 0.0 <= age < _STALE_LOCK  # one from the future: the clock was set back


def _head(git: Path) -> str | None:
    head = _text(git / "HEAD")
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    reference = head.removeprefix("ref:").strip()
    if ".." in Path(reference).parts or not reference.startswith("refs/"):
        return None
    common = (git / (_text(git / "commondir") or ".")).resolve()
    for place in (git, common):
        commit = _text(place / reference)
        if _COMMIT.fullmatch(commit):
            return commit
    return _packed(common / "packed-refs", reference)


def _packed(file: Path, reference: str) -> str | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        commit, _, name = line.partition(" ")
        if name == reference and _COMMIT.fullmatch(commit):
            return commit
    return None


def _text(file: Path) -> str:
    """Return the text of a small file, empty where there is none."""
    try:
        with file.open("rb") as stream:
            return stream.read(_SMALL).decode("utf-8", errors="replace").strip()
    except OSError:
        return ""
