"""
A folder of components as a registry: `{name}.wasm`, its digest the sha256 of its content.

For local development and for mounted volumes. Tags are not kept by files, so they are ignored.
Writers copy or build in place: a file that changes while it is read is read again. Leaves out
watching (`reconcile/watcher`).
"""

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillName, Tag
from daemon.registries.sink import Sink

_SUFFIX = ".wasm"
_CHUNK = 1 << 20
_ATTEMPTS = 5
_RETRY_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class _Version:
    """What a file's state looks like from outside; a write changes at least the last one."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> "_Version":
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )


class DirectoryRegistry:
    """
    The components in one folder; a `Registry`.

    *settle* is for how long a file must have been left alone, in seconds, before it is read:
    a younger one is probably still being written.
    """

    def __init__(
        self,
        directory: Path,
        *,
        component_size: int = 512 << 20,
        settle: float = 0.1,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._component_size = component_size
        self._settle = settle
        self._now = now
        self._known: dict[SkillName, tuple[_Version, Digest]] = {}

    async def resolve(self, name: SkillName, tag: Tag) -> Digest:
        """Return the digest of the file's content; *tag* is ignored."""
        for _ in range(_ATTEMPTS):
            await self._settled(name)
            digest = await asyncio.to_thread(self._digest, name)
            if digest is not None:
                return digest
        raise self._unsettled(name)

    async def pull(self, name: SkillName, digest: Digest, destination: Path) -> None:
        """Copy the file to *destination*, if its content is still that of *digest*."""
        for _ in range(_ATTEMPTS):
            await self._settled(name)
            copied = await asyncio.to_thread(self._copy, name, digest, destination)
            if copied == digest:
                return
            if copied is not None:
                raise self._other(name, found=copied, wanted=digest)
        raise self._unsettled(name)

    async def _settled(self, name: SkillName) -> None:
        """Wait until the file was left alone for a moment; a date in the future is no reason."""
        with self._translated(name):
            status = await asyncio.to_thread(self._path(name).stat)
        age = self._now() - status.st_mtime
        if 0 <= age < self._settle:
            await asyncio.sleep(self._settle - age)

    def _path(self, name: SkillName) -> Path:
        return self._directory / f"{name}{_SUFFIX}"  # not with_suffix: names may have dots

    def _digest(self, name: SkillName) -> Digest | None:
        """Return the digest of the content; None if the file changed meanwhile."""
        with self._opened(name) as (file, version):
            known = self._known.get(name)
            if known is not None and known[0] == version:
                return known[1]
            digest = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
            if self._version(name, file) != version:
                return None
        self._known[name] = (version, digest)
        return digest

    def _copy(self, name: SkillName, digest: Digest, destination: Path) -> Digest | None:
        """
        Copy the content, and return its digest; None if the file changed meanwhile.

        The digest is that of the very bytes that were written; others are not kept.
        """
        sink = Sink(destination)
        try:
            with self._opened(name) as (file, version):
                while chunk := file.read(_CHUNK):
                    sink.write(chunk)
                changed = self._version(name, file) != version
            if sink.digest == digest:
                sink.commit()
                return digest
            return None if changed else sink.digest
        finally:
            sink.close()

    @contextmanager
    def _opened(self, name: SkillName) -> Iterator[tuple[BufferedReader, _Version]]:
        """Open the file of a Skill, with the state it had then. Raises DaemonError."""
        with self._translated(name):
            # Without O_NONBLOCK, opening a named pipe would wait for its writer.
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                self._check(name, status)
                yield file, _Version.of(status)

    def _version(self, name: SkillName, file: BufferedReader) -> _Version | None:
        """Return the state of *file*, None if another one took its place."""
        opened = os.fstat(file.fileno())
        current = self._path(name).stat()
        same = (opened.st_dev, opened.st_ino) == (current.st_dev, current.st_ino)
        return _Version.of(opened) if same else None

    def _check(self, name: SkillName, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise DaemonError(ErrorKind.BAD_ARTIFACT, f"{self._path(name)} is not a regular file")
        if status.st_size > self._component_size:
            raise DaemonError(
                ErrorKind.TOO_LARGE,
                f"{self._path(name)} has {status.st_size} bytes, more than the "
                f"{self._component_size} that the operator allows",
            )

    @contextmanager
    def _translated(self, name: SkillName) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._directory.is_dir():
                raise self._missing(name) from error
            raise self._unreadable(error) from error

    def _missing(self, name: SkillName) -> DaemonError:
        self._known.pop(name, None)
        return DaemonError(
            ErrorKind.NOT_IN_REGISTRY,
            f"there is no {name}{_SUFFIX} in {self._directory}: build the component there",
        )

    def _unreadable(self, error: OSError) -> DaemonError:
        refused = isinstance(error, PermissionError)
        return DaemonError(
            ErrorKind.REGISTRY_REFUSED if refused else ErrorKind.REGISTRY_UNAVAILABLE,
            f"{error.filename or self._directory} can't be read: {error.strerror}",
        )

    def _unsettled(self, name: SkillName) -> DaemonError:
        return DaemonError(
            ErrorKind.REGISTRY_UNAVAILABLE,
            f"{self._path(name)} is still being written; it is read again",
            retry_after=_RETRY_AFTER,
        )

    def _other(self, name: SkillName, *, found: Digest, wanted: Digest) -> DaemonError:
        return DaemonError(
            ErrorKind.NOT_IN_REGISTRY,
            f"{self._path(name)} no longer is {wanted}: its content now is {found}; put the "
            "wanted file back, or change the pin",
        )
