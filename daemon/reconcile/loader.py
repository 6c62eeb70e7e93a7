"""
What is wanted now: root and operator namespaces, each with its last good state.

A file that can't be read, parsed or fetched changes nothing but its namespace's status. Leaves out
making it so (`loop`).
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from daemon.catalogue import Served
from daemon.errors import DaemonError, ErrorKind
from daemon.names import InvalidNameError, Namespace, SkillName, SkillPath
from daemon.namespaces.config import NamespaceConfig, Parsed, SkillEntry, parse
from daemon.namespaces.desired import Desired, Skills, Surroundings, Wish, merge, wish
from daemon.namespaces.operator import (
    InPlace,
    OperatorNamespace,
    Operators,
    RemoteNamespace,
    WatchedDirectory,
)
from daemon.namespaces.status import Problem
from daemon.reconcile import snapshot, state
from daemon.reconcile.ports import StateStore
from daemon.reconcile.remote import Remotes
from daemon.reconcile.snapshot import Snapshot, UnsettledError
from daemon.skill import Failure, RegistryRef, SkillSpec

_log = logging.getLogger(__name__)
Owner = Literal["team", "operator"]


@dataclass(frozen=True, slots=True)
class Source:
    """
    What is known of where a namespace comes from.

    `rejected`: its text is not used, the last good one is. `guarded`: the root is empty and that
    is not believed. `failure`: it can't be read for now. `loaded`: false before the first answer.
    """

    namespace: Namespace
    place: str
    owner: Owner
    revision: str | None = None
    problems: tuple[Problem, ...] = ()
    rejected: bool = False
    guarded: bool = False
    failure: Failure | None = None
    loaded: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    What is wanted, where it comes from, and which directories hold components.

    `root_read` is false until the root has come to rest for the first time.
    """

    desired: Desired = field(default_factory=Desired)
    sources: Mapping[Namespace, Source] = field(default_factory=dict)
    root_read: bool = True

    @property
    def complete(self) -> bool:
        """Whether every namespace has been tried."""
        return self.root_read and all(source.loaded for source in self.sources.values())

    def wanted(self, served: Mapping[SkillPath, Served]) -> Skills:
        """Return what is wanted; for a namespace whose wish is not known yet, what it has."""
        unknown = self.sources.keys() - self.desired.wishes.keys()
        if not unknown:
            return self.desired.skills
        kept = {path: one.spec for path, one in served.items() if path.namespace in unknown}
        return kept | dict(self.desired.skills)

    @property
    def directories(self) -> frozenset[Path]:
        """The directories that components come from: a new file there is a change as well."""
        return frozenset(
            spec.registry.directory
            for spec in self.desired.skills.values()
            if isinstance(spec, SkillSpec) and spec.registry.directory is not None
        )


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A wish, with what it was made from: it is made anew only when that is new."""

    config: NamespaceConfig
    registry: RegistryRef | None
    wish: Wish
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a watched directory held; `problem` where it could not be read."""

    directory: Path
    config: NamespaceConfig = field(default_factory=NamespaceConfig)
    problem: str | None = None
    revision: str | None = None


class Loader:
    """Reads everything anew at each call; owned by the reconciler."""

    def __init__(
        self,
        root: Path,
        *,
        store: StateStore,
        operators: Operators | None = None,
        registry: RegistryRef | None = None,
        remotes: Remotes | None = None,
        allow_empty: bool = False,
    ) -> None:
        self._root = root
        self._store = store
        self._operators: Operators = operators or {}
        self._registry = registry
        self.remotes = remotes or Remotes()
        self._allow_empty = allow_empty
        self._snapshot: Snapshot | None = None
        self._parsed: dict[str, tuple[bytes, Parsed]] = {}  # by place, as `_accepted`
        self._accepted: dict[str, _Accepted] = {}
        self._team: dict[Namespace, Wish] = {}
        self._operator: dict[Namespace, Wish] = {}
        self._sources: dict[Namespace, Source] = {}
        self._written: list[tuple[Wish, bool]] | None = None
        self._restored = False

    async def load(self) -> Loaded:
        """Return what is wanted now. Never fails: what can't be read stays as it was."""
        await self._restore()
        team = await self._load_team()
        await self._parse_all(self._fetched())
        operator = {name: self._load_operator(name, one) for name, one in await self._scanned()}
        desired = merge(self._team, self._operator)
        self._forget_all_but({one.place for one in (*team.values(), *operator.values())})
        sources = {**team, **operator}
        for name in desired.clashes:
            source = sources[name]
            text = f"the root has a namespace of this name as well; it is not used: {self._root}"
            problem = Problem("settings", None, None, f"namespaces.{name}", text)
            sources[name] = replace(source, problems=(*source.problems, problem))
        await self._keep()
        return Loaded(desired, sources, root_read=self._snapshot is not None)

    def directories(self) -> frozenset[Path]:
        """The operator's watched directories."""
        return frozenset(
            one.directory for one in self._operators.values() if isinstance(one, WatchedDirectory)
        )

    async def close(self) -> None:
        """Stop fetching."""
        await self.remotes.close()

    # Team namespaces: the root -------------------------------------------------------------------

    async def _load_team(self) -> dict[Namespace, Source]:
        try:
            found = await snapshot.settled(self._root, known=self._snapshot)
        except UnsettledError as error:
            _log.warning("the namespaces stay as they are: %s", error)
            return self._sources
        self._snapshot = found
        if not found.names and self._team and not self._allow_empty:
            self._sources = {name: self._guarded(name, found) for name in self._team}
            return self._sources
        files = {str(self._root / name / snapshot.FILE): data for name, data in found.files.items()}
        await self._parse_all(files)
        sources = [self._team_source(name, found) for name in sorted(found.names)]
        self._sources = {source.namespace: source for source in sources if source is not None}
        for gone in self._team.keys() - self._sources.keys():
            del self._team[gone]
        return self._sources

    def _guarded(self, name: Namespace, found: Snapshot) -> Source:
        before = self._sources.get(name, Source(name, str(self._root / name), "team"))
        problem = found.problem or "it has no namespaces"
        text = (
            f"{self._root}: {problem}; what was served stays. Set ALLOW_EMPTY=true if that is meant"
        )
        return replace(before, guarded=True, failure=_unusable(text))

    def _team_source(self, directory: str, found: Snapshot) -> Source | None:
        file = self._root / directory / snapshot.FILE
        try:
            name = Namespace(directory)
        except InvalidNameError as error:
            _log.debug("%s is not a namespace: %s", directory, error)
            return None
        source = Source(name, str(file), "team")
        if directory in found.moving:
            return self._moving(source)
        data = found.files.get(directory, b"")
        source = replace(source, revision=found.commit or hashlib.sha256(data).hexdigest()[:40])
        if directory in found.unreadable:
            problem = Problem(str(file), None, None, None, found.unreadable[directory])
            return replace(source, problems=(problem,), rejected=True)
        parsed = self._parse(str(file), data)
        around = Surroundings(str(file), self._registry, file.parent, self._team.get(name))
        return self._accept(source, parsed, around=around, wishes=self._team)

    def _moving(self, source: Source) -> Source:
        """Leave a file aside that never was twice the same; it is looked at again and again."""
        before = self._sources.get(source.namespace, source)
        text = f"{source.place} changes all the time, so that no state of it can be trusted"
        if source.namespace in self._team:
            text += "; its last good version stays"
        return replace(before, failure=_unusable(text), guarded=False)

    async def _parse_all(self, files: Mapping[str, bytes]) -> None:
        """Parse what is new, in a thread: a file of 1 MiB takes a second."""
        for file, data in files.items():
            known = self._parsed.get(file)
            if known is None or known[0] != data:
                await asyncio.to_thread(self._parse, file, data)

    def _parse(self, file: str, data: bytes) -> Parsed:
        """Parse *data* unless it is what was parsed before; keep the first problems."""
        known = self._parsed.get(file)
        if known is None or known[0] != data:
            config, problems = parse(data, file=file)
            known = self._parsed[file] = (data, (config, bounded(problems, file=file)))
        return known[1]

    # Operator namespaces -------------------------------------------------------------------------

    async def _scanned(self) -> list[tuple[Namespace, RemoteNamespace | InPlace | Scan]]:
        """Read the watched directories, each in a thread; the others need no blocking call."""

        async def scanned(one: OperatorNamespace) -> RemoteNamespace | InPlace | Scan:
            if isinstance(one, WatchedDirectory):
                return await asyncio.to_thread(scan, one)
            return one

        names = list(self._operators)
        found = await asyncio.gather(*(scanned(self._operators[name]) for name in names))
        return list(zip(names, found, strict=True))

    def _load_operator(self, name: Namespace, one: RemoteNamespace | InPlace | Scan) -> Source:
        if isinstance(one, RemoteNamespace):
            return self._remote(name, one)
        place = "settings" if isinstance(one, InPlace) else str(one.directory)
        source = Source(name, place, "operator")
        if isinstance(one, InPlace):
            return self._take(replace(source, revision="settings"), (one.config, one.problems))
        if one.problem is not None:
            return replace(source, failure=_unusable(one.problem))
        return self._take(replace(source, revision=one.revision), (one.config, ()))

    def _fetched(self) -> dict[str, bytes]:
        """The remote files that are there, by the places that `_remote` gives them."""
        remote = {n: one for n, one in self._operators.items() if isinstance(one, RemoteNamespace)}
        known = {_place(one): self.remotes.latest(name, one) for name, one in remote.items()}
        return {place: one.data for place, one in known.items() if one and one.data is not None}

    def _remote(self, name: Namespace, one: RemoteNamespace) -> Source:
        place = _place(one)
        known = self.remotes.latest(name, one)
        source = Source(name, place, "operator", loaded=known is not None)
        if known is None:
            return source
        source = replace(source, revision=known.revision, failure=known.failure)
        if known.data is None:
            return source
        parsed = self._parse(place, known.data)
        return self._take(source, parsed, registry=one.registry)

    def _take(
        self, source: Source, parsed: Parsed, *, registry: RegistryRef | None = None
    ) -> Source:
        around = Surroundings(
            source.place,
            registry or self._registry,
            None if source.place.startswith("http") else Path(),
            self._operator.get(source.namespace),
        )
        return self._accept(source, parsed, around=around, wishes=self._operator)

    # Wishes --------------------------------------------------------------------------------------

    def _accept(
        self, source: Source, parsed: Parsed, *, around: Surroundings, wishes: dict[Namespace, Wish]
    ) -> Source:
        """Put the wish of a good config in its place in *wishes*; a bad one changes nothing."""
        config, problems = parsed
        if config is None:
            return replace(source, problems=problems, rejected=True)
        known = self._accepted.get(source.place)
        if (
            known is None
            or known.config is not config
            or known.registry != around.registry
            or known.wish is not around.previous
        ):
            made, more = wish(source.namespace, config, around)
            known = _Accepted(config, around.registry, made, more)
            self._accepted[source.place] = known
            wishes[source.namespace] = made
        return replace(source, problems=(*problems, *known.problems))

    def _forget_all_but(self, places: Set[str]) -> None:
        for memory in (self._parsed, self._accepted):
            for gone in memory.keys() - places:
                del memory[gone]

    # Last known good -----------------------------------------------------------------------------

    async def _restore(self) -> None:
        """Begin with the last good wishes, of namespaces that may still exist."""
        if self._restored:
            return
        self._restored = True
        for kept in await asyncio.to_thread(state.read_wishes, self._store):
            name = kept.namespace
            specs = tuple(one.spec for one in kept.skills)
            restored = Wish(name, specs, kept.native_tools, kept.mcp_servers)
            if not kept.operator:
                self._team[name] = restored
            elif name in self._operators:
                self._operator[name] = restored

    async def _keep(self) -> None:
        """Write the good wishes down where they have changed."""
        wishes = [(one, False) for one in self._team.values()]
        wishes += [(one, True) for one in self._operator.values()]
        if wishes == self._written:
            return
        try:
            await asyncio.to_thread(state.write_wishes, self._store, wishes)
        except DaemonError as error:
            if self._written is not None:
                _log.warning("a restart won't know the last good namespaces: %s", error)
            self._written = None
        else:
            self._written = wishes


def scan(watched: WatchedDirectory) -> Scan:
    """Return a Skill for each `*.wasm` file of a directory; blocking."""
    directory = watched.directory
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix == ".wasm")
    except OSError as error:
        return Scan(directory, problem=f"{directory} can't be read: {error.strerror}")
    entries: list[SkillEntry] = []
    for file in files:
        if file.name.startswith(".") or not file.is_file():
            continue
        try:
            entries.append(SkillEntry(SkillName(file.stem)))
        except InvalidNameError as error:
            _log.debug("%s is not a Skill: %s", file, error)
    names = "\n".join(entry.name for entry in entries)
    config = NamespaceConfig(
        tuple(entries),
        watched.native_tools,
        watched.mcp_servers,
        RegistryRef(directory=directory.absolute()),
    )
    return Scan(directory, config, revision=hashlib.sha256(names.encode()).hexdigest()[:40])


def bounded(problems: tuple[Problem, ...], *, file: str, most: int = 100) -> tuple[Problem, ...]:
    """Return the first problems: they stand in every answer about the namespace."""
    if len(problems) <= most:
        return problems
    text = f"{len(problems) - most} more problems; `skilld validate` prints all"
    return (*problems[:most], Problem(file, None, None, None, text))


def _place(one: RemoteNamespace) -> str:
    return one.url.split("?")[0]


def _unusable(text: str) -> Failure:
    return Failure(ErrorKind.NAMESPACE_INVALID.value, text)
