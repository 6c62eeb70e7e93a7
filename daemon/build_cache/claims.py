"""
Which processes use a cache directory, and what each of them must not lose.

Several may: an old and a new skilld during a rolling restart, `skilld cache prune` beside a
running daemon. Each holds a lock on a file of its own and lists its pinned files in it; the lock
dies with the process, and with it the claim. So nobody evicts what another one serves, nor
sweeps the unfinished files of a process that is alive.

Leaves out races of microseconds: a file claimed while another process deletes it is found
missing when it is loaded, and made again.
"""

import contextlib
import fcntl
import json
import os
import secrets
from pathlib import Path

from daemon.build_cache.files import make_private, read_checked, write_checked

_FOLDER = "claims"


class Claim:
    """The claim of one process on a cache directory. Owned by its store."""

    def __init__(self, root: Path) -> None:
        self._folder = root / _FOLDER
        self.token = secrets.token_hex(6)
        self._descriptor: int | None = None

    @property
    def _lock(self) -> Path:
        return self._folder / f"{self.token}.lock"

    def update(self, names: frozenset[str]) -> None:
        """State what is pinned. Raises OSError."""
        while self._descriptor is None or not self._lock.exists():  # at first, or wiped
            self.release()
            make_private(self._folder)
            self._descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        content = json.dumps(sorted(names)).encode()
        # Not synced: a crash of the machine ends the claim anyway, and a start makes many.
        write_checked(self._lock.with_suffix(".json"), content, self.token, lasting=False)

    def release(self) -> None:
        """Give the claim up."""
        if self._descriptor is not None:
            self._lock.with_suffix(".json").unlink(missing_ok=True)
            self._lock.unlink(missing_ok=True)
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
                    found[lock.stem] = _names(lock.with_suffix(".json"))
                else:
                    lock.with_suffix(".json").unlink(missing_ok=True)
                    lock.unlink(missing_ok=True)
        return found


def _held(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _names(path: Path) -> frozenset[str]:
    content = read_checked(path)
    return frozenset() if content is None else frozenset(json.loads(content))
