"""
One consistent read of a root that a syncer may swap, rewrite or delete meanwhile.

Blocking functions, but for `settled`, which waits until two reads agree on a namespace. Leaves out
what the files mean (`namespaces/config`) and what an empty root means (`loader`).
"""

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemon.reconcile.revision import commit_of, is_updating

FILE = "namespace.toml"
LIMIT = 1 << 20
"""Bytes of a namespace.toml, at most."""
_ATTEMPTS = 8


class UnsettledError(Exception):
    """The root kept changing while it was read; try again at the next tick."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What a root held at one moment.

    `files` maps directory names to the bytes of their `namespace.toml`, `unreadable` to why they
    have none. `moving` are those that were never twice the same: of these nothing is known.
    `commit` is the git commit where one can be read.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()
    problem: str | None = None
    commit: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """All that there is, in whatever state."""
        return self.moving.union(self.files, self.unreadable)

    def differing(self, other: "Snapshot") -> frozenset[str]:
        """Return the directories that two snapshots do not agree on."""
        return frozenset(
            name
            for name in self.names | other.names
            if name in self.moving | other.moving
            or self.files.get(name) != other.files.get(name)
            or self.unreadable.get(name) != other.unreadable.get(name)
        )

    def without(self, moving: frozenset[str]) -> "Snapshot":
        """Return this snapshot with nothing of what is *moving*."""
        return replace(
            self,
            files={name: data for name, data in self.files.items() if name not in moving},
            unreadable={name: why for name, why in self.unreadable.items() if name not in moving},
            moving=moving,
        )


def read(root: Path, *, file_limit: int = LIMIT) -> Snapshot:
    """Return what is under *root*, one missing root included. Raises UnsettledError."""
    for attempt in range(1, _ATTEMPTS + 1):
        before = _identity(root)
        try:
            snapshot = _read_once(root, file_limit=file_limit)
        except (FileNotFoundError, NotADirectoryError):
            snapshot = Snapshot(problem="there is no such directory")
        except (OSError, RuntimeError) as error:  # links in a circle are a RuntimeError to pathlib
            snapshot = Snapshot(problem=reason(error))
        # Gone twice may also be two swaps; gone each time is gone.
        if before == _identity(root) and (before is not None or attempt == _ATTEMPTS):
            return snapshot
    raise UnsettledError(f"{root} is being replaced again and again")


async def settled(
    root: Path,
    *,
    known: Snapshot | None,
    settle: float = 0.05,
    patience: int = 10,
    attempts: int = 200,
) -> Snapshot:
    """
    Return what equals *known*, or what two reads *settle* seconds apart agree on.

    A half-written file may be valid TOML with fewer Skills, and git removes a file before it
    writes its successor: neither may be taken for an edit. One that is still `moving` after
    *patience* reads holds up nobody else; it is for the next pass. Raises UnsettledError where git
    is at work for *attempts* reads.
    """
    previous, quiet = known, 0
    for _ in range(attempts):
        snapshot = await asyncio.to_thread(read, root)
        busy = await asyncio.to_thread(is_updating, root)
        quiet = 0 if busy else quiet + 1
        if quiet and previous is not None:
            moving = snapshot.differing(previous)
            if not moving or quiet > patience:
                return snapshot.without(moving)
        previous = snapshot
        await asyncio.sleep(settle)
    raise UnsettledError(f"git has been writing to {root} for too long")


def _identity(root: Path) -> tuple[str, int, int, str] | None:
    """Tell one state of the root's links from another; None for no root."""
    try:
        resolved = root.resolve(strict=True)
        status = resolved.stat()
        data = resolved / "..data"  # a ConfigMap's inner link
        inner = str(data.readlink()) if data.is_symlink() else ""
    except (OSError, RuntimeError):
        return None
    return str(resolved), status.st_dev, status.st_ino, inner


def _read_once(root: Path, *, file_limit: int) -> Snapshot:
    resolved = root.resolve(strict=True)
    files: dict[str, bytes] = {}
    unreadable: dict[str, str] = {}
    # Everything is opened relative to this one: a swap can't mix two trees.
    directory = os.open(resolved, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        for name in names:
            try:
                data = read_file(f"{name}/{FILE}", directory=directory, limit=file_limit)
            except (FileNotFoundError, NotADirectoryError):
                continue  # not a namespace
            except (OSError, ValueError) as error:
                unreadable[name] = reason(error)
            else:
                files[name] = data
    finally:
        os.close(directory)
    return Snapshot(files, unreadable, commit=commit_of(resolved))


def read_file(name: str | Path, *, directory: int | None = None, limit: int = LIMIT) -> bytes:
    """
    Return what is in a file, which may be relative to an open *directory*.

    Raises OSError, or ValueError for what can't be a namespace's file; see `reason`.
    """
    # O_NONBLOCK: a FIFO of that name must not hang the daemon.
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        data = stream.read(limit + 1) or b""  # None where it would have to wait
        resting = os.fstat(descriptor).st_size == status.st_size
    if len(data) > limit:
        raise ValueError(f"larger than {limit} bytes")
    if resting and len(data) != status.st_size:  # below /proc, where some never are the same twice
        raise ValueError("not of the size that it states")
    return data


def reason(error: Exception) -> str:
    """Say why something can't be read, without its path."""
    return getattr(error, "strerror", None) or str(error)
