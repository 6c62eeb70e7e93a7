"""
The reconciler: the only writer of the catalogue.

A tick has no payload; everything is read again, compared with what is served, and what differs is
brought about by one task per Skill, so that a slow one delays nobody. What is served stays served
until its successor is loaded. Leaves out deciding (`plan`), installing (`install`) and telling
(`report`).
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from daemon.catalogue import Catalogue, NamespaceTools, Served, ServedChat, ServedSkill
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, Namespace, SkillPath
from daemon.reconcile.attempt import Action, Attempt, Event
from daemon.reconcile.install import Installer, Phases
from daemon.reconcile.journal import Journal
from daemon.reconcile.loader import Loaded, Loader
from daemon.reconcile.plan import NEVER, plan
from daemon.reconcile.saver import Saver
from daemon.reconcile.state import ServedRecord
from daemon.reconcile.upgrade import Upgrades
from daemon.skill import AnySpec, Artifact, ChatSpec, Failure
from daemon.tasks import Tasks

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often moving tags are looked at, and how long one installation may take, in seconds."""

    interval: float = 10.0
    install_timeout: float = 900.0


class Reconciler:
    """Makes the catalogue what the namespaces want; owned by the application."""

    def __init__(
        self,
        *,
        loader: Loader,
        installer: Installer,
        catalogue: Catalogue,
        upgrades: Upgrades | None = None,
        pace: Pace | None = None,
        observe: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._loader = loader
        self._installer = installer
        self._catalogue = catalogue
        self._upgrades = upgrades
        self._pace = pace or Pace()
        self._journal = Journal(catalogue, observe)
        self._loaded = Loaded()
        self._passed = False
        self._attempts: dict[SkillPath, Attempt] = {}
        self._generation = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks()
        self._saver = Saver(installer, catalogue)

    async def run(
        self,
        ticks: AsyncIterable[None],
        *,
        watch_also: Callable[[frozenset[Path]], None] = lambda _: None,
    ) -> None:
        """Reconcile at every tick, until cancelled."""
        self._tasks.spawn(self._saver.run(), name="save what is served")
        if self._upgrades is not None:
            self._tasks.spawn(self._upgrades.run(self._upgraded), name="upgrade to whole")
        try:
            async for _ in ticks:
                await self.reconcile_once()
                watch_also(self._loaded.directories | self._loader.directories())
        finally:
            await self.close()

    async def reconcile_once(self) -> None:
        """Load, compare, start what differs. Returns before the installations have ended."""
        noticed = time.monotonic()
        self._loaded = await self._loader.load()
        await self._find_lost_files()
        self._passed = True
        for attempt in self._attempts.values():
            if attempt.at_every_tick:
                attempt.due = noticed
        self._enable_tools()
        self._apply(noticed)
        self._journal.sources(self._loaded)
        for name in self._loaded.sources:
            self._report(name)

    def look_again(self) -> None:
        """Let the next pass ask every remote file and moving tag, and try what failed, at once."""
        self._loader.remotes.expire()
        for attempt in self._attempts.values():
            if attempt.on_request:
                attempt.due = time.monotonic()

    def rebuild(self, path: SkillPath) -> bool:
        """Have a served Skill resolved and installed anew; False where there is none."""
        attempt = self._attempts.get(path)
        if attempt is None or path not in self._catalogue.served:
            return False
        attempt.repair, attempt.due = True, time.monotonic()
        self._apply()
        return True

    async def settled(self) -> None:
        """Wait until nothing is being installed."""
        while running := [one.task for one in self._attempts.values() if one.task is not None]:
            await asyncio.wait(running)

    async def close(self) -> None:
        """Stop all work; what is served stays so."""
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.close()
        await self._saver.save()

    # Restart -------------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Serve what was served before a restart, from disk and without any registry."""
        records = await asyncio.to_thread(self._installer.remembered)
        async with asyncio.TaskGroup() as group:
            for record in records:
                group.create_task(self._restore(record), name="restore a Skill")

    async def _restore(self, record: ServedRecord) -> None:
        if record.chat is not None:
            self._catalogue.serve(ServedChat(record.chat, record.revision, record.since))
        if record.skill is None or record.digest is None:
            return
        try:
            found = await self._installer.restore(record.skill, record.digest)
        except DaemonError as error:
            _log.warning("%s can't be served from disk: %s", record.skill.path, error)
            return
        if found is not None:
            skill = self._installer.served(record.skill, found, revision=record.revision)
            self._publish(replace(skill, since=record.since))

    # Decide --------------------------------------------------------------------------------------

    def _apply(self, noticed: float | None = None) -> None:
        """Start, drop and retire what the plan says, and set the timer for the next plan."""
        now = time.monotonic()
        todo = plan(
            wanted=self._wanted(),
            served={path: one.spec for path, one in self._catalogue.served.items()},
            attempts=self._attempts,
            now=now,
        )
        for path in todo.drop:
            self._drop(path)
        for path in todo.retire:
            self._retire(path)
        for path in todo.start:
            self._start(path, noticed if noticed is not None else now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if todo.next_due != NEVER:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, todo.next_due - now), self._apply)
        self._note_completeness()

    def _wanted(self) -> dict[SkillPath, AnySpec]:
        """What is wanted; for a namespace whose wish is not known yet, what it has."""
        unknown = self._loaded.sources.keys() - self._loaded.desired.wishes.keys()
        served = self._catalogue.served.items()
        kept = {path: one.spec for path, one in served if path.namespace in unknown}
        return kept | dict(self._loaded.desired.skills)

    def _start(self, path: SkillPath, noticed: float) -> None:
        spec = self._wanted()[path]
        self._generation += 1
        attempt = self._attempts.get(path)
        if attempt is None:
            attempt = Attempt(spec=spec, generation=self._generation, noticed=noticed)
            self._attempts[path] = attempt
        attempt.generation, attempt.noticed = self._generation, noticed
        attempt.due = time.monotonic() + self._pace.interval
        work = self._bring_about(attempt, self._generation)
        attempt.task = self._tasks.spawn(work, name=f"install {path}")
        attempt.task.add_done_callback(partial(self._broke, attempt, self._generation))

    def _drop(self, path: SkillPath) -> None:
        attempt = self._attempts.pop(path)
        if attempt.task is not None:
            attempt.task.cancel()

    def _retire(self, path: SkillPath) -> None:
        old = self._catalogue.served[path]
        self._catalogue.retire(path)
        if self._upgrades is not None:
            self._upgrades.drop(path)
        self._let_go(old)
        self._saver.changed()
        self._tell("retired", path, "no longer wanted")

    def _note_completeness(self) -> None:
        """The first pass is over once every namespace was read and every Skill tried once."""
        if self._catalogue.complete or not self._passed or not self._loaded.complete:
            return
        self._catalogue.complete = all(
            path in self._catalogue.served or self._attempts[path].tried
            for path in self._loaded.desired.skills
        )

    def _enable_tools(self) -> None:
        for name, wish in self._loaded.desired.wishes.items():
            tools = NamespaceTools(wish.native_tools, wish.mcp_servers)
            if self._catalogue.tools.get(name) != tools:
                self._catalogue.enable_tools(name, tools)

    # Act -----------------------------------------------------------------------------------------

    async def _bring_about(self, attempt: Attempt, generation: int) -> None:
        """Try once, and note how it went; a late result of an older generation counts nothing."""
        path, phases = attempt.spec.path, Phases()
        failed: DaemonError | None = None
        try:
            async with asyncio.timeout(self._pace.install_timeout):
                served = await self._made(attempt, phases=phases)
        except DaemonError as error:
            failed = error
        except TimeoutError:
            text = f"not installed within {self._pace.install_timeout:g} s"
            failed = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, text)
        finally:
            current = self._attempts.get(path)
            is_current = current is attempt and attempt.generation == generation
            if is_current:
                attempt.task = None
            if failed is not None or not is_current:
                self._release_unless_served(attempt)
        if not is_current:
            return
        if failed is None:
            phases.seconds["total"] = time.monotonic() - attempt.noticed
            self._succeeded(attempt, served, phases=phases)
        else:
            self._failed(attempt, failed)
        self._report(path.namespace)
        self._apply()

    def _broke(self, attempt: Attempt, generation: int, task: asyncio.Task[None]) -> None:
        """Take a bug, which is logged already, for a failure: it must hold up nobody else."""
        path = attempt.spec.path
        current = self._attempts.get(path) is attempt and attempt.generation == generation
        if current and not task.cancelled() and task.exception() is not None:
            text = "the installation broke off, by a bug of skilld: its log says more"
            self._failed(attempt, DaemonError(ErrorKind.INTERNAL, text))
            self._report(path.namespace)
            self._apply()

    async def _made(self, attempt: Attempt, *, phases: Phases) -> Served:
        """Return what shall answer, loaded and ready. Raises DaemonError."""
        spec, revision = attempt.spec, self._revision(attempt.spec.path)
        if isinstance(spec, ChatSpec):
            return ServedChat(spec, revision, _now())
        current = self._catalogue.served.get(spec.path)
        attempt.digest = digest = await self._installer.resolve(
            spec, phases=phases, or_last=current is None or attempt.repair
        )
        if digest == attempt.refused and attempt.failure is not None:
            raise DaemonError(ErrorKind(attempt.failure.kind), attempt.failure.message)
        if isinstance(current, ServedSkill) and current.digest == digest and not attempt.repair:
            return self._installer.relabelled(current, spec, revision=revision)
        found = await self._installer.install(spec, digest, phases=phases)
        return self._installer.served(spec, found, revision=revision)

    def _succeeded(self, attempt: Attempt, served: Served, *, phases: Phases) -> None:
        interval = self._pace.interval * (0.9 + 0.2 * random.random())  # noqa: S311 - jitter
        recovered = attempt.succeeded(now=time.monotonic(), interval=interval)
        if self._catalogue.served.get(served.path) == served:
            if recovered:
                self._tell("recovered", served.path, "in reach again")
            return
        self._publish(served)
        detail = served.digest if isinstance(served, ServedSkill) else "chat"
        self._tell("served", served.path, detail, phases=phases)

    def _failed(self, attempt: Attempt, error: DaemonError) -> None:
        news = attempt.failed(
            error,
            now=time.monotonic(),
            interval=self._pace.interval,
            random=random.random(),  # noqa: S311 - jitter
        )
        if news:
            self._tell("failed", attempt.spec.path, error.detail, failure=attempt.failure)

    def _publish(self, served: Served) -> None:
        old = self._catalogue.served.get(served.path)
        self._catalogue.serve(served)
        if isinstance(served, ServedSkill) and self._upgrades is not None:
            self._upgrades.add(served)
        if old is not None:
            self._let_go(old)
        self._saver.changed()

    async def _upgraded(self, skill: ServedSkill, artifact: Artifact) -> None:
        """Swap in the whole artifact, unless another version is served by now."""
        current = self._catalogue.served.get(skill.path)
        if isinstance(current, ServedSkill) and current.digest == artifact.digest:
            await self._installer.keep(skill.path, artifact)
        if self._catalogue.upgrade(skill.path, artifact):
            self._let_go(skill)
            self._tell("upgraded", skill.path, artifact.variant)
            self._report(skill.path.namespace)
            return
        self._release(skill.path, artifact.digest)
        if not self._is_used(artifact.id):
            self._installer.unload(artifact.id)

    # Let go --------------------------------------------------------------------------------------

    def _let_go(self, old: Served) -> None:
        """Free what only *old* needed."""
        if not isinstance(old, ServedSkill):
            return
        if not self._is_used(old.artifact.id):
            self._installer.unload(old.artifact.id)
        self._release(old.path, old.digest)

    def _release_unless_served(self, attempt: Attempt) -> None:
        if attempt.digest is not None:
            self._release(attempt.spec.path, attempt.digest)
        served = self._catalogue.served.values()
        self._installer.unload_idle({s.artifact.id for s in served if isinstance(s, ServedSkill)})

    def _release(self, path: SkillPath, digest: Digest) -> None:
        current = self._catalogue.served.get(path)
        if isinstance(current, ServedSkill) and current.digest == digest:
            return
        self._installer.release(path, digest)

    def _is_used(self, artifact_id: str) -> bool:
        return any(
            isinstance(one, ServedSkill) and one.artifact.id == artifact_id
            for one in self._catalogue.served.values()
        )

    async def _find_lost_files(self) -> None:
        """Have versions repaired whose files are gone: a new worker could not load them."""
        skills = [one for one in self._catalogue.served.values() if isinstance(one, ServedSkill)]
        lost = await asyncio.to_thread(_lost, skills)
        for path in lost:
            attempt = self._attempts.get(path)
            if attempt is not None and not attempt.running and not attempt.repair:
                attempt.repair, attempt.due = True, time.monotonic()
                _log.warning("files of %s are gone from the cache; it is installed anew", path)

    # Tell ----------------------------------------------------------------------------------------

    def _tell(
        self,
        action: Action,
        path: SkillPath,
        detail: str,
        *,
        failure: Failure | None = None,
        phases: Phases | None = None,
    ) -> None:
        seconds = phases.seconds if phases else {}
        self._journal.tell(Event(action, path, self._revision(path), detail, failure, seconds))

    def _revision(self, path: SkillPath) -> str:
        source = self._loaded.sources.get(path.namespace)
        return (source.revision if source else None) or ""

    def _report(self, name: Namespace) -> None:
        source = self._loaded.sources.get(name)
        wish = self._loaded.desired.wishes.get(name)
        if source is not None:
            wanted = {spec.path: spec for spec in wish.skills} if wish else {}
            self._journal.status(source, wanted=wanted, attempts=self._attempts)


def _lost(skills: list[ServedSkill]) -> list[SkillPath]:
    return [one.path for one in skills if not all(file.exists() for file in one.artifact.files)]


def _now() -> datetime:
    return datetime.now().astimezone()
