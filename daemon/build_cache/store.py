"""
The build cache on disk: pulled components, compiled files, metadata, small state.

Nothing in it is trusted: a flipped bit in native code is accepted by wasmtime and may crash, or
worse. So every file is checked before it is handed out, and made again when damaged. Nothing in
it is needed either: it may be wiped while skilld runs.

All methods block: call them in a thread. They raise DaemonError of kind CACHE_UNUSABLE where the
disk is full, read-only or not ours. Several processes may share a cache (`claims`). Leaves out
how files are written and checked (`files`, `shelf`), what to compile (`precompiler`), and what
goes first when space is short (`eviction`).
"""

import logging
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.build_cache.claims import Claim
from daemon.build_cache.eviction import victims
from daemon.build_cache.files import (
    cache_errors,
    make_private,
    read_checked,
    sha256_of,
    temporary,
    write_checked,
)
from daemon.build_cache.jobs import Written
from daemon.build_cache.key import (
    Build,
    artifact_id,
    component_file,
    digest_hex,
    module_file,
    skill_file,
)
from daemon.build_cache.machine import this_build
from daemon.build_cache.shelf import CompiledSkill, Record, Shelf
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.skill import Artifact, Description, Variant

_log = logging.getLogger(__name__)

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of the cache, for people: size in bytes, last use in seconds since 1970."""

    name: str
    size: int
    used: float
    pinned: bool


class Store:
    """One cache directory. Its methods may be called from several threads."""

    def __init__(self, root: Path, *, budget: int = 10 << 30, build: Build | None = None) -> None:
        """*budget* in bytes. *build* decides which compiled files fit; by default this process."""
        self._root = root.absolute()
        self._budget = budget
        self._build = build or this_build()
        self._shelf = Shelf(self._root)
        self._claim = Claim(self._root)
        self._pins: dict[str, frozenset[str]] = {}  # by owner
        self._pinned: Counter[str] = Counter()  # how many owners each file has
        self._room = 0  # bytes that may be added before it must be looked what to evict
        self._lock = threading.Lock()  # around pins and eviction

    def open(self) -> None:
        """Make the directory ours, and clear away what earlier processes left unfinished."""
        with cache_errors(self._root):
            make_private(self._root)
            _protect(self._root)
            self._claim.update()
            self._shelf.sweep(self._claim.others())
        self._evict()

    def close(self) -> None:
        """Give up the claims on files that are in use."""
        self._claim.release()

    # Pulled components

    def component(self, digest: Digest) -> Path | None:
        """Return the pulled component, None where it is missing or damaged."""
        return self._checked(component_file(digest))

    def component_destination(self, digest: Digest) -> Path:
        """Return a fresh path to pull to, on the same file system."""
        return self._temporary(component_file(digest))

    def adopt_component(self, digest: Digest, pulled: Path) -> Path:
        """Take over a component that was pulled and verified."""
        with cache_errors(self._root):
            content = Written(sha256_of(pulled), pulled.stat().st_size)
        return self._adopt(component_file(digest), pulled, Record(content))

    # Compiled files

    def artifact(self, digest: Digest, variant: Variant) -> Artifact | None:
        """Return a compiled Skill all of whose files are all right, else None."""
        found = self._artifact(digest, variant)
        if found is None and variant == "whole":  # where splitting failed, both are the same
            found = self._artifact(digest, "split")
            return found if found is not None and not found.shared else None
        return found

    def _artifact(self, digest: Digest, variant: Variant) -> Artifact | None:
        name = skill_file(digest, variant, self._build)
        with cache_errors(self._root):
            record = self._shelf.get(name)
        if record is None or record.skill is None:
            return None
        shared: list[tuple[str, Path]] = []
        for one in record.skill.shared:
            path = self.module(one.sha256)
            if path is None:
                return None
            shared.append((one.import_name, path))
        return self._describe(digest, variant, record.skill, shared)

    def _describe(
        self,
        digest: Digest,
        variant: Variant,
        skill: CompiledSkill,
        shared: Sequence[tuple[str, Path]],
    ) -> Artifact:
        return Artifact(
            id=artifact_id(digest, variant, self._build),
            digest=digest,
            world=skill.world,
            kind=skill.kind,
            component=self._root / skill_file(digest, variant, self._build),
            shared=tuple(shared),
            strings=skill.strings,
            memories=tuple(skill.memories),
        )

    def artifact_destination(self, digest: Digest, variant: Variant) -> Path:
        """Return a fresh path to compile to."""
        return self._temporary(skill_file(digest, variant, self._build))

    def adopt_artifact(
        self, digest: Digest, variant: Variant, compiled: Path, record: Record
    ) -> None:
        """Take over a compiled component, which was written and synced."""
        self._adopt(skill_file(digest, variant, self._build), compiled, record)

    def module(self, sha256: str) -> Path | None:
        """Return a compiled shared module by the sha256 of its source."""
        return self._checked(module_file(sha256, self._build))

    def module_destination(self, sha256: str) -> Path:
        """Return a fresh path to compile to."""
        return self._temporary(module_file(sha256, self._build))

    def adopt_module(self, sha256: str, compiled: Path, content: Written) -> Path:
        """Take over a compiled shared module, which was written and synced."""
        return self._adopt(module_file(sha256, self._build), compiled, Record(content))

    # Metadata and state

    def description(self, digest: Digest) -> Description | None:
        """Return what a Skill said of itself, None where that is not known."""
        content = read_checked(self._root / "metadata" / digest.hex)
        try:
            return None if content is None else msgspec.json.decode(content, type=Description)
        except (msgspec.MsgspecError, RecursionError):  # written by another version of skilld
            return None

    def put_description(self, digest: Digest, description: Description) -> None:
        """Remember what a Skill said of itself."""
        self._write(self._root / "metadata" / digest.hex, msgspec.json.encode(description))

    def read_state(self, name: str) -> bytes | None:
        """Return a small file, None where it is missing or damaged."""
        return read_checked(self._root / "state" / name)

    def write_state(self, name: str, data: bytes) -> None:
        """Replace a small file, in one step."""
        self._write(self._root / "state" / name, data)

    # Who needs what

    def pin(self, owner: str, paths: Iterable[Path]) -> None:
        """Keep files from eviction until *owner* pins others or unpins."""
        with self._lock:
            self._repin(owner, frozenset(self._names(paths)))

    def unpin(self, owner: str) -> None:
        """Let go of what *owner* pinned."""
        with self._lock:
            self._repin(owner, frozenset())

    def _names(self, paths: Iterable[Path]) -> Iterator[str]:
        for path in paths:
            if path.is_relative_to(self._root):
                yield str(path.relative_to(self._root))

    def _repin(self, owner: str, names: frozenset[str]) -> None:
        before = self._pins.pop(owner, frozenset())
        if names:
            self._pins[owner] = names
        self._pinned.update(names)
        self._pinned.subtract(before)
        gone = {name for name in before if not self._pinned[name]}
        for name in gone:
            del self._pinned[name]
        if names or gone:
            self._tell(names, gone)

    def _tell(self, pinned: Set[str], unpinned: Set[str]) -> None:
        """Tell other processes. Where the disk refuses, serving goes on: only they don't know."""
        try:
            self._claim.update(pinned=pinned, unpinned=unpinned)
        except OSError as error:
            _log.warning("can't note in %s which files are in use: %s", self._root, error)

    def _evict(self, *, keep: str = "", budget: int | None = None) -> list[str]:
        limit = self._budget if budget is None else budget
        with cache_errors(self._root):
            entries = list(self._shelf.entries())  # takes time, in which others may pin
            others = frozenset[str]().union(*self._claim.others().values())
            with self._lock:
                pinned = {*self._pinned, *others, keep}
                chosen = frozenset(victims(entries, budget=limit, pinned=pinned))
                for name in chosen:
                    self._shelf.remove(name)
                kept = [entry for entry in entries if entry.name not in chosen]
                # Half of it: another process may share the directory and count on the same room.
                self._room = (self._budget - sum(entry.size for entry in kept)) // 2
            self._shelf.forget_metadata({digest_hex(entry.name) for entry in kept})
        return sorted(chosen)

    # For the command line

    def entries(self) -> list[Listed]:
        """Return all files, the least recently used first."""
        with cache_errors(self._root):
            pinned = set(self._pinned).union(*self._claim.others().values())
            found = sorted(self._shelf.entries(), key=lambda entry: entry.used)
        return [Listed(e.name, e.size, e.used / 1e9, e.name in pinned) for e in found]

    def verify(self) -> list[str]:
        """Read every file again; put aside, and return, those that are damaged."""
        with cache_errors(self._root):
            return [e.name for e in self._shelf.entries() if not self._shelf.check(e.name)]

    def prune(self) -> list[str]:
        """Delete, and return, all files but those that are pinned."""
        with cache_errors(self._root):
            self._shelf.sweep(self._claim.others())
            self._shelf.empty_quarantine()
        return self._evict(budget=0)

    # Beneath

    def _checked(self, name: str) -> Path | None:
        with cache_errors(self._root):
            return None if self._shelf.get(name) is None else self._root / name

    def _temporary(self, name: str) -> Path:
        with cache_errors(self._root):
            return temporary(self._root / name, self._claim.token)

    def _adopt(self, name: str, unfinished: Path, record: Record) -> Path:
        with cache_errors(self._root):
            final = self._shelf.put(name, unfinished, record, token=self._claim.token)
        with self._lock:
            self._room -= record.content.size
            is_short = self._room < 0
        if is_short:
            self._evict(keep=name)
        return final

    def _write(self, path: Path, content: bytes) -> None:
        with cache_errors(self._root):
            write_checked(path, content, self._claim.token)


def _protect(root: Path) -> None:
    """
    Let nobody else write to the cache: what stands in it is run as native code.

    A fresh directory is simply tightened. One that is in use and open to others is refused, for
    they may have been there.
    """
    status = root.stat()
    if status.st_uid != os.geteuid():
        raise DaemonError(
            ErrorKind.CACHE_UNUSABLE,
            f"the build cache in {root} belongs to another user (uid {status.st_uid}): compiled "
            "Skills are native code; point SKILL_BUILD_CACHE to a directory that skilld makes, "
            "for example one below it",
        )
    if status.st_mode & _OTHERS_MAY_WRITE and (root / "skills").exists():
        raise DaemonError(
            ErrorKind.CACHE_UNUSABLE,
            f"the build cache in {root} can be written to by others, and compiled Skills are "
            f"native code: empty it and run `chmod 700 {root}`",
        )
    root.chmod(0o700)
