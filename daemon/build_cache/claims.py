"""
Which processes use a cache directory, and what each of them must not lose.

Several may: an old and a new skilld during a rolling restart, `skilld cache prune` beside a
running daemon. Each holds a lock on a file of its own, with a folder beside it in which an empty
file stands for each file that it pins; the lock dies with the process, and with it the claim. So
nobody evicts what another one serves, nor sweeps the unfinished files of a process that is alive.

Leaves out races of microseconds: a file claimed while another process deletes it is found
missing when it is loaded, and made again.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

from daemon.build_cache.files import make_private

_FOLDER = "claims"


class Claim:
    """The claim of one process on a cache directory. Owned by its store."""

    def __init__(self, root: Path) -> None:
        self._folder = root / _FOLDER
        self.token = secrets.token_hex(6)
        self._descriptor: int | None = None
        self._pinned: set[str] = set()

    @property
    def _lock(self) -> Path:
        return self._folder / f"{self.token}.lock"

    def update(self, *, pinned: Iterable[str] = (), unpinned: Iterable[str] = ()) -> None:
        """State what is pinned from now on, and what no longer is. Raises OSError."""
        fresh, gone = set(pinned), set(unpinned)
        self._pinned -= gone
        self._pinned |= fresh
        if self._descriptor is None or not self._lock.exists():  # at first, or wiped
            self._begin()
            fresh = self._pinned
        # Not synced: a crash of the machine ends the claim anyway, and a start makes many.
        for name in fresh:
            _mark(self._lock, name).touch(mode=0o600)
        for name in gone:
            _mark(self._lock, name).unlink(missing_ok=True)

    def _begin(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        make_private(self._folder)
        make_private(self._lock.with_suffix(""))
        self._descriptor = os.open(self._lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Give the claim up."""
        if self._descriptor is not None:
            _remove(self._lock)
            os.close(self._descriptor)
            self._descriptor = None

    def others(self) -> dict[str, frozenset[str]]:
        """Return what other living processes pin, by their tokens; forget the dead ones."""
        found: dict[str, frozenset[str]] = {}
        for lock in self._folder.glob("*.lock"):
            if lock.stem == self.token:
                continue
            with contextlib.suppress(FileNotFoundError):
                if _held(lock):
                    marks = lock.with_suffix("").iterdir()
                    found[lock.stem] = frozenset(unquote(mark.name) for mark in marks)
                else:
                    _remove(lock)
        return found


def _mark(lock: Path, name: str) -> Path:
    return lock.with_suffix("") / quote(name, safe="")


def _held(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _remove(lock: Path) -> None:
    """The lock goes last: a folder without one would be nobody's."""
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    with contextlib.suppress(OSError):  # read-only by now: nobody holds it, so another one may
        lock.unlink(missing_ok=True)
