"""Stand-ins for what reconcile talks to: in memory, slow or broken on request."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillName, Tag
from daemon.skill import (
    Artifact,
    Description,
    RegistryRef,
    SkillKind,
    SkillMetadata,
    Variant,
    World,
)


def digest_of(content: str) -> Digest:
    """The digest of a component that is just this text."""
    return Digest("sha256:" + hashlib.sha256(content.encode()).hexdigest())


@dataclass(slots=True)
class FakeRegistry:
    """Tags to contents. `broken` makes every request fail; a gate in `hanging` holds a name up."""

    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: DaemonError | None = None
    hanging: dict[str, asyncio.Event] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    contents: dict[Digest, str] = field(default_factory=dict)

    def push(self, name: str, tag: str, content: str) -> Digest:
        """Let *tag* point to a component of this content."""
        self.tags[name, tag] = content
        digest = digest_of(content)
        self.contents[digest] = content
        return digest

    async def resolve(self, name: SkillName, tag: Tag) -> Digest:
        """Look the tag up."""
        self.resolved.append(name)
        await self._answer(name)
        if (name, tag) not in self.tags:
            raise DaemonError(ErrorKind.NOT_IN_REGISTRY, f"{name}:{tag} is not in the registry")
        return digest_of(self.tags[name, tag])

    async def pull(self, name: SkillName, digest: Digest, destination: Path) -> None:
        """Write the content."""
        self.pulled.append(name)
        await self._answer(name)
        await asyncio.to_thread(destination.write_text, self.contents[digest])

    async def _answer(self, name: str) -> None:
        if name in self.hanging:
            await self.hanging[name].wait()
        if self.broken is not None:
            raise self.broken


@dataclass(slots=True)
class FakeRegistries:
    """One registry behind every reference."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)

    def get(self, ref: RegistryRef) -> FakeRegistry:
        """Return it."""
        return self.registry


class FakeStore:
    """A cache of real files below *root*; `full` makes writes fail, `unlocked` lets pins be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(exist_ok=True)
        self.pins: dict[str, tuple[Path, ...]] = {}
        self.full = False
        self.pinning, self.pinned = threading.Event(), threading.Event()
        self.unlocked = threading.Event()
        self.unlocked.set()

    def component(self, digest: Digest) -> Path | None:
        """Return the file if it is there."""
        path = self.root / f"{digest.hex}.component"
        return path if path.exists() else None

    def component_destination(self, digest: Digest) -> Path:
        """Return a new name."""
        self.root.mkdir(exist_ok=True)
        return self.root / f"{uuid4().hex}.tmp"

    def adopt_component(self, digest: Digest, temporary: Path) -> Path:
        """Rename it."""
        return temporary.rename(self.root / f"{digest.hex}.component")

    def artifact_path(self, digest: Digest, variant: Variant) -> Path:
        """Where the fake compiler puts it."""
        return self.root / f"{digest.hex}.{variant}"

    def artifact(self, digest: Digest, variant: Variant) -> Artifact | None:
        """Return it if its file is there."""
        path = self.artifact_path(digest, variant)
        return artifact_of(digest, path, variant=variant) if path.exists() else None

    def description(self, digest: Digest) -> Description | None:
        """Return what was put."""
        path = self.root / f"{digest.hex}.metadata"
        return Description(SkillMetadata(description=path.read_text())) if path.exists() else None

    def put_description(self, digest: Digest, description: Description) -> None:
        """Keep it."""
        self._write()
        text = (description.metadata.description if description.metadata else None) or ""
        (self.root / f"{digest.hex}.metadata").write_text(text)

    def pin(self, owner: str, paths: Iterable[Path]) -> None:
        """Note it."""
        self.pinning.set()
        self.unlocked.wait()
        self.pins[owner] = tuple(paths)
        self.pinned.set()

    def unpin(self, owner: str) -> None:
        """Forget it."""
        self.pins.pop(owner, None)

    def read_state(self, name: str) -> bytes | None:
        """Read a file."""
        path = self.root / name
        return path.read_bytes() if path.exists() else None

    def write_state(self, name: str, data: bytes) -> None:
        """Write a file."""
        self._write()
        self.root.mkdir(exist_ok=True)
        (self.root / name).write_bytes(data)

    def _write(self) -> None:
        if self.full:
            raise DaemonError(ErrorKind.CACHE_UNUSABLE, "no space left on device")


def artifact_of(digest: Digest, path: Path, *, variant: Variant) -> Artifact:
    """An artifact with one file, and one shared module where it is split."""
    shared = (("module", path),) if variant == "split" else ()
    kind = SkillKind.FUNCTION
    return Artifact(f"{digest.hex[:8]}-{variant}", digest, World.V0_5, kind, path, shared)


class FakePrecompiler:
    """Compiles by writing a file, once `free` is set; contents in `refused` don't compile."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.refused: set[str] = set()
        self.compiled: list[tuple[str, Variant]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def prepare(
        self, digest: Digest, component: Path, *, variant: Variant, background: bool = False
    ) -> Artifact:
        """Write the artifact's file."""
        await self.free.wait()
        content = await asyncio.to_thread(component.read_text)
        self.compiled.append((content, variant))
        if content in self.refused:
            raise DaemonError(ErrorKind.NOT_A_COMPONENT, f"{content} is not a component")
        path = self._store.artifact_path(digest, variant)
        path.write_text(content)
        return artifact_of(digest, path, variant=variant)


@dataclass(slots=True)
class FakeWorkers:
    """Remembers what is loaded; artifacts whose file is gone can't be loaded."""

    loaded: list[str] = field(default_factory=list)
    described: list[str] = field(default_factory=list)
    on_load: Callable[[Artifact], None] = lambda _: None
    hanging: asyncio.Event | None = None  # a load ends once this is set
    lingering: asyncio.Event | None = None  # one that is cancelled, once this is
    left: int = 0  # how many were cancelled

    async def load(self, artifact: Artifact, *, describe: bool) -> Description:
        """Note it."""
        self.on_load(artifact)
        if not all(file.exists() for file in artifact.files):
            raise DaemonError(ErrorKind.CACHE_UNUSABLE, "the artifact's files are gone")
        self.loaded.append(artifact.id)
        if self.hanging is not None:
            await self._hang(self.hanging)
        if describe:
            self.described.append(artifact.id)
        return Description(SkillMetadata(description="a Skill"))

    async def _hang(self, until: asyncio.Event) -> None:
        try:
            await until.wait()
        except asyncio.CancelledError:
            if self.lingering is not None:
                await self.lingering.wait()
            self.left += 1
            raise

    def unload(self, artifact_id: str) -> None:
        """Forget it."""
        self.loaded = [one for one in self.loaded if one != artifact_id]
