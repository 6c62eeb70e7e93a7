"""
Writes that survive a crash, and reads that notice damage.

A file appears under its name complete and on the disk, or not at all; a small file carries its
own checksum. Leaves out what the files mean (`store`).
"""

import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind

TEMPORARY = ".tmp-"
"""How the name of an unfinished file begins; the token of its owner follows."""

_counter = itertools.count()
_WAYS_OUT = {
    errno.ENOSPC: "free some disk space, or lower SKILL_BUILD_CACHE_SIZE",
    errno.EDQUOT: "free some disk space, or lower SKILL_BUILD_CACHE_SIZE",
    errno.EROFS: "mount it writable, or point SKILL_BUILD_CACHE to a directory that is",
    errno.EACCES: "give it to the user that runs skilld, or point SKILL_BUILD_CACHE elsewhere",
    errno.EPERM: "give it to the user that runs skilld, or point SKILL_BUILD_CACHE elsewhere",
}


@contextmanager
def cache_errors(root: Path) -> Iterator[None]:
    """Turn an OSError into a DaemonError of kind CACHE_UNUSABLE that names the way out."""
    try:
        yield
    except OSError as error:
        way_out = _WAYS_OUT.get(error.errno or 0, "check the disk and the directory")
        raise DaemonError(
            ErrorKind.CACHE_UNUSABLE,
            f"the build cache in {root} is unusable: {error.strerror or error}; {way_out}",
        ) from error


def make_private(folder: Path) -> None:
    """Make a directory of a cache where it is missing, for this user only."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)


def temporary(beside: Path, token: str) -> Path:
    """Return a fresh path in the directory of *beside*, made where it is missing."""
    make_private(beside.parent)
    return beside.with_name(f"{TEMPORARY}{token}-{next(_counter)}-{beside.name}")


def publish(unfinished: Path, final: Path) -> None:
    """Put a written file into its place, in one step, for good."""
    sync(unfinished)
    move(unfinished, final)
    sync(final.parent)


def move(path: Path, final: Path) -> None:
    """Put *path* into the place of *final*, in one step unless a directory stands there."""
    if final.is_dir():  # nobody of us made it
        discard(final)
    path.replace(final)


def discard(path: Path) -> None:
    """Delete a file, or what stands in its place; nothing is as well."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        shutil.rmtree(path)


def sync(path: Path) -> None:
    """See the file or directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(final: Path, content: bytes, token: str, *, lasting: bool = True) -> None:
    """Write a small file in one step. Unless *lasting*, a crash of the machine may lose it."""
    unfinished = temporary(final, token)
    try:
        unfinished.write_bytes(content)
        if lasting:
            publish(unfinished, final)
        else:
            move(unfinished, final)
    finally:
        unfinished.unlink(missing_ok=True)


def write_checked(final: Path, content: bytes, token: str, *, lasting: bool = True) -> None:
    """Write a small file with its checksum in the first line; *lasting* as for `write`."""
    checksum = hashlib.sha256(content).hexdigest().encode()
    write(final, checksum + b"\n" + content, token, lasting=lasting)


def read_checked(path: Path) -> bytes | None:
    """Return what `write_checked` wrote, None where it is missing or damaged."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest().encode() == checksum else None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
