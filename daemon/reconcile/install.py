"""
One Skill, from a wish to an artifact that every worker has loaded.

Nothing here changes what is served: the caller publishes the result, or forgets it. Leaves out
when to try (`plan`), waiting for registries (`exchanges`), and the whole artifact behind the
split one (`upgrade`).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from daemon.catalogue import Served, ServedSkill
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillPath
from daemon.reconcile import state
from daemon.reconcile.exchanges import Exchanges
from daemon.reconcile.moments import now
from daemon.reconcile.ports import Precompiler, Store, Workers
from daemon.skill import Artifact, Description, Limits, SkillSpec, Variant
from daemon.tasks import to_the_end

_log = logging.getLogger(__name__)
Policy = Literal["split", "whole", "tiered"]


@dataclass(frozen=True, slots=True)
class Installed:
    """A Skill that every worker can run. Ready to be published."""

    artifact: Artifact
    description: Description

    @property
    def digest(self) -> Digest:
        """Of which version it is."""
        return self.artifact.digest


@dataclass(slots=True)
class Phases:
    """Where the time of one installation went, in seconds by phase; owned by its task."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Add the time spent inside to *phase*."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[phase] = self.seconds.get(phase, 0.0) + spent


class Installer:
    """
    Brings Skills from registries into the workers; owned by the reconciler.

    Each exchange, compile and load has bounds of its own; there is none on the whole, for most
    of it may be spent in line behind others.
    """

    def __init__(
        self,
        *,
        exchanges: Exchanges,
        store: Store,
        precompiler: Precompiler,
        workers: Workers,
        policy: Policy = "tiered",
        limits: Limits | None = None,
    ) -> None:
        self._exchanges = exchanges
        self._store = store
        self._precompiler = precompiler
        self._workers = workers
        self.policy: Policy = policy
        self._limits = limits or Limits()
        self._last: dict[SkillPath, tuple[SkillSpec, Digest]] = {}
        self._held: set[str] = set()  # loaded, or being so, since the last look at idle ones
        self._loading: Counter[str] = Counter()

    async def resolve(self, spec: SkillSpec, *, phases: Phases, or_last: bool = False) -> Digest:
        """
        Return the digest that *spec* means now. Raises DaemonError.

        With *or_last* what it meant when it was served last will do, where no registry can tell:
        its component may still be on disk, though compiled for another machine, or damaged.
        """
        if spec.digest is not None:
            return spec.digest
        try:
            with phases.of("resolve"):
                return await self._exchanges.resolve(spec)
        except DaemonError as error:
            before, digest = self._last.get(spec.path, (None, None))
            if not or_last or digest is None or before != spec:
                raise
            _log.warning("%s: %s; its last version is taken", spec.path, error)
            return digest

    async def install(self, spec: SkillSpec, digest: Digest, *, phases: Phases) -> Installed:
        """Pull, compile and load what is not there yet. Raises DaemonError."""
        artifact = await self._cached(digest) or await self._built(spec, digest, phases=phases)
        self._check_room(spec, artifact)
        # From here on its files must stay; the caller releases what it does not publish.
        await self.keep(spec.path, artifact)
        with phases.of("load"):
            return await self._loaded(artifact)

    async def restore(self, spec: SkillSpec, digest: Digest) -> Installed | None:
        """Load what is on disk, without any registry; None where it is not. Raises DaemonError."""
        self._last[spec.path] = spec, digest
        artifact = await self._cached(digest)
        if artifact is None:
            return None
        self._check_room(spec, artifact)
        await self.keep(spec.path, artifact)
        return await self._loaded(artifact)

    async def component(self, spec: SkillSpec, digest: Digest, *, phases: Phases) -> Path:
        """Return the component of *digest*, pulled unless it is there. Raises DaemonError."""
        with phases.of("verify"):
            found = await asyncio.to_thread(self._store.component, digest)
        if found is not None:
            return found
        temporary = await asyncio.to_thread(self._store.component_destination, digest)
        try:
            with phases.of("pull"):
                await self._exchanges.pull(spec, digest, temporary)
            with phases.of("verify"):
                return await asyncio.to_thread(self._store.adopt_component, digest, temporary)
        finally:
            temporary.unlink(missing_ok=True)

    async def keep(self, path: SkillPath, artifact: Artifact) -> None:
        """Let this artifact's files stay, instead of those of the same version's other variant."""
        name = owner(path, artifact.digest)
        await to_the_end(partial(self._store.pin, name, artifact.files))

    def limits_of(self, spec: SkillSpec) -> Limits:
        """Return the operator's caps, lowered to what the team wishes."""
        return self._limits.tightened(
            memory=spec.memory, timeout=spec.timeout, concurrency=spec.concurrency
        )

    def _check_room(self, spec: SkillSpec, artifact: Artifact) -> None:
        """Refuse a cap under which no call could even start. Raises SKILL_UNSERVABLE."""
        cap = self.limits_of(spec).memory
        if artifact.least_memory <= cap:
            return
        way_out = "SKILL_MEMORY" if spec.memory is None else "`memory` of its entry"
        raise DaemonError(
            ErrorKind.SKILL_UNSERVABLE,
            f"it needs {artifact.least_memory / (1 << 20):.1f} MiB of memory to start, and may "
            f"take {cap / (1 << 20):.1f} MiB: raise {way_out}",
        )

    def served(self, spec: SkillSpec, found: Installed, *, revision: str) -> ServedSkill:
        """Return what shall answer for *spec* from now on."""
        self._last[spec.path] = spec, found.digest
        return ServedSkill(
            spec=spec,
            digest=found.digest,
            artifact=found.artifact,
            limits=self.limits_of(spec),
            revision=revision,
            since=now(),
            description=found.description,
        )

    def relabelled(self, current: ServedSkill, spec: SkillSpec, *, revision: str) -> ServedSkill:
        """
        Return the same component under a new wish, or *current* if nothing is new.

        Raises DaemonError where it can't run under that wish.
        """
        if current.spec == spec:
            return current
        self._check_room(spec, current.artifact)
        limits = self.limits_of(spec)
        return replace(current, spec=spec, limits=limits, revision=revision, since=now())

    def remember(self, served: Iterable[Served]) -> None:
        """Write down what is served, for the next start; blocking. Raises DaemonError."""
        state.write_served(self._store, served)

    def remembered(self) -> list[state.ServedRecord]:
        """Return what was served last; blocking."""
        return state.read_served(self._store)

    def unload(self, artifact_id: str) -> None:
        """Let the workers forget an artifact, unless somebody is about to serve it."""
        if artifact_id not in self._loading:
            self._held.discard(artifact_id)
            self._workers.unload(artifact_id)

    def unload_idle(self, is_used: Callable[[str], bool]) -> None:
        """Unload what was loaded for an installation that then came to nothing."""
        for artifact_id in self._held - self._loading.keys():
            self._held.discard(artifact_id)
            if not is_used(artifact_id):
                self._workers.unload(artifact_id)

    def forget(self, path: SkillPath) -> None:
        """Forget what a Skill was that is no longer wanted."""
        self._last.pop(path, None)

    def release(self, path: SkillPath, digest: Digest) -> None:
        """Let the files of a version go that is not served (any more); blocking."""
        self._store.unpin(owner(path, digest))

    async def _cached(self, digest: Digest) -> Artifact | None:
        """Return the best artifact on disk: a whole one runs faster."""
        variants: tuple[Variant, ...] = ("whole", "split")
        if self.policy != "tiered":
            variants = (self.policy,)
        for variant in variants:
            artifact = await asyncio.to_thread(self._store.artifact, digest, variant)
            if artifact is not None:
                return artifact
        return None

    async def _built(self, spec: SkillSpec, digest: Digest, *, phases: Phases) -> Artifact:
        component = await self.component(spec, digest, phases=phases)
        variant: Variant = "whole" if self.policy == "whole" else "split"
        with phases.of("compile"):
            return await self._precompiler.prepare(digest, component, variant=variant)

    async def _loaded(self, artifact: Artifact) -> Installed:
        self._held.add(artifact.id)
        self._loading[artifact.id] += 1
        try:
            return await self._load(artifact)
        finally:
            self._loading[artifact.id] -= 1
            if not self._loading[artifact.id]:
                del self._loading[artifact.id]

    async def _load(self, artifact: Artifact) -> Installed:
        known = await asyncio.to_thread(self._store.description, artifact.digest)
        if known is not None:
            await self._workers.load(artifact, describe=False)
            return Installed(artifact, known)
        said = await self._workers.load(artifact, describe=True)
        with suppress(DaemonError):  # a full disk: it runs, and is asked again at the next start
            await asyncio.to_thread(self._store.put_description, artifact.digest, said)
        return Installed(artifact, said)


def owner(path: SkillPath, digest: Digest) -> str:
    """Name the pin of one version of one Skill."""
    return f"{path}@{digest}"
