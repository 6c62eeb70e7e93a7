"""
The file that a component is received into: hashed as it is written, and moved in place at last.

Blocking, to be called in threads. Its errors are ours to tell apart from the network's.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest


class Sink:
    """A partial file beside *destination*. Owned by one transfer; `close` ends it either way."""

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._part = destination.with_name(f".{destination.name}.part")
        self._file: BufferedWriter | None = None  # until there is something to write
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(f"sha256:{self._hash.hexdigest()}")

    def prepare(self) -> None:
        """Make the partial file now; else the first `write` does. Raises like `write`."""
        with _translated(self._part):
            self._open()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append *data*. Raises DaemonError(CACHE_UNUSABLE), for example on a full disk."""
        with _translated(self._part):
            self._open().write(data)
        self._hash.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Drop all that was written."""
        if self._file is not None:
            with _translated(self._part):
                self._file.seek(0)
                self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def commit(self) -> None:
        """Put what was written at the destination, complete."""
        with _translated(self._part):
            self._open().close()
            self._part.replace(self._destination)

    def close(self) -> None:
        """Remove the partial file, if it was not committed."""
        if self._file is None:
            return
        with suppress(OSError):  # of a failing disk, whose error was told before
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _open(self) -> BufferedWriter:
        if self._file is None:
            self._file = self._part.open("wb")
        return self._file


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DaemonError(
            ErrorKind.CACHE_UNUSABLE,
            f"{path.parent} can't be written: {error.strerror}; see that the disk has room and "
            "skilld may write there",
        ) from error
