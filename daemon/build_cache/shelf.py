"""
Files with a record beside each: the sha256 of its content, and what else must be known of it.

The record is written last and removed first, so a file without one was never finished. A file
that does not match its record is put into quarantine, for whoever wonders what broke it.

Leaves out what the files are for, and who may delete them when (`store`).
"""

import contextlib
import logging
import os
import time
from collections.abc import Collection, Iterator, Set
from pathlib import Path

import msgspec

from daemon.build_cache.eviction import Entry
from daemon.build_cache.files import (
    TEMPORARY,
    discard,
    make_private,
    move,
    publish,
    read_checked,
    sha256_of,
    write_checked,
)
from daemon.build_cache.jobs import Shared, Written
from daemon.skill import SkillKind, World

_log = logging.getLogger(__name__)

_FOLDERS = ("components", "modules", "skills")
_SMALL_FOLDERS = ("metadata", "state", "claims")
_RECORD = ".json"
_QUARANTINE = "quarantine"
_QUARANTINED_AT_MOST = 2

_Stamp = tuple[int, int, int]


class CompiledSkill(msgspec.Struct, frozen=True):
    """What must be known of a compiled component to load it."""

    world: World
    kind: SkillKind
    shared: list[Shared]
    strings: bool
    memories: list[int]


class Record(msgspec.Struct, frozen=True):
    """What a file holds. `skill` is set for compiled components."""

    content: Written
    skill: CompiledSkill | None = None


class Shelf:
    """The files of one cache directory. Owned by its store; raises OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._verified: dict[str, _Stamp] = {}

    def put(self, name: str, unfinished: Path, record: Record, *, token: str) -> Path:
        """Move a written file to its place; its record vouches for it from then on."""
        final = self._root / name
        make_private(final.parent)
        discard(_record_of(final))
        unfinished.chmod(0o600)
        publish(unfinished, final)
        write_checked(_record_of(final), msgspec.json.encode(record), token)
        self._verified[name] = _stamp(final)
        return final

    def get(self, name: str) -> Record | None:
        """Return the record of a file that is all right, and note that it was used."""
        record = self._check(name)
        if record is not None:
            with contextlib.suppress(OSError):  # a read-only cache still serves
                now = time.time_ns()  # finer than the time that the kernel would set
                os.utime(_record_of(self._root / name), ns=(now, now))
        return record

    def check(self, name: str) -> bool:
        """Tell whether a file matches its record, reading it anew; if not, it is put aside."""
        self._verified.pop(name, None)
        return self._check(name) is not None

    def _check(self, name: str) -> Record | None:
        """Return the record of a file if it matches; read it at most once while it is the same."""
        final = self._root / name
        record = _read_record(final)
        try:
            stamp = _stamp(final)
            if record is not None and self._verified.get(name) == stamp:
                return record
            if record is not None and sha256_of(final) == record.content.sha256:
                self._verified[name] = stamp
                return record
        except FileNotFoundError:
            discard(_record_of(final))
            return None
        except IsADirectoryError:
            self._verified.pop(name, None)
        self._put_aside(name)
        return None

    def _put_aside(self, name: str) -> None:
        final = self._root / name
        folder = self._root / _QUARANTINE
        make_private(folder)
        aside = folder / final.name
        _log.warning("%s is damaged: moved to %s, it will be made again", final, aside)
        discard(_record_of(final))
        move(final, aside)
        for path in sorted(folder.iterdir(), key=_modified)[:-_QUARANTINED_AT_MOST]:
            discard(path)

    def remove(self, name: str) -> None:
        """Delete a file; whoever has it open or mapped keeps it."""
        self._verified.pop(name, None)
        discard(_record_of(self._root / name))
        discard(self._root / name)

    def entries(self) -> Iterator[Entry]:
        """Yield all finished files."""
        for final in self._files():
            try:
                used = _record_of(final).stat().st_mtime_ns
                yield Entry(str(final.relative_to(self._root)), final.stat().st_size, used)
            except FileNotFoundError:
                continue

    def forget_metadata(self, kept: Set[str]) -> None:
        """Delete the metadata of Skills of which nothing else is left; *kept* are hex digests."""
        for path in self._root.glob("metadata/*"):
            if path.name not in kept and not path.name.startswith(TEMPORARY):
                discard(path)

    def sweep(self, living: Collection[str]) -> None:
        """Delete what was never finished, except by processes whose tokens are in *living*."""
        for folder in (*_FOLDERS, *_SMALL_FOLDERS):
            for path in self._root.glob(f"{folder}/{TEMPORARY}*"):
                if path.name.removeprefix(TEMPORARY).partition("-")[0] not in living:
                    discard(path)
        if not living:
            for final in self._files():
                if not _record_of(final).exists():
                    discard(final)

    def empty_quarantine(self) -> None:
        """Delete the damaged files that were kept for a look."""
        for path in self._root.glob(f"{_QUARANTINE}/*"):
            discard(path)

    def _files(self) -> Iterator[Path]:
        for folder in _FOLDERS:
            for path in self._root.glob(f"{folder}/*"):
                if path.suffix != _RECORD and not path.name.startswith(TEMPORARY):
                    yield path


def _record_of(final: Path) -> Path:
    return final.with_name(final.name + _RECORD)


def _read_record(final: Path) -> Record | None:
    content = read_checked(_record_of(final))
    try:
        return None if content is None else msgspec.json.decode(content, type=Record)
    except (msgspec.MsgspecError, RecursionError):  # written by another version of skilld
        return None


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns
