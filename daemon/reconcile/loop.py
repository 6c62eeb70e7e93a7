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
from dataclasses import replace
from functools import partial
from pathlib import Path

from daemon.catalogue import Catalogue, NamespaceTools, Served, ServedChat, ServedSkill
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillPath
from daemon.namespaces.desired import Skills
from daemon.reconcile.attempt import Action, Attempt, Event
from daemon.reconcile.install import Installer, Phases
from daemon.reconcile.journal import Journal
from daemon.reconcile.loader import Loaded, Loader
from daemon.reconcile.moments import now
from daemon.reconcile.plan import NEVER, Plan, plan
from daemon.reconcile.saver import Saver
from daemon.reconcile.state import ServedRecord
from daemon.reconcile.turns import in_turns
from daemon.reconcile.upgrade import Upgrades
from daemon.skill import Artifact, ChatSpec, Failure
from daemon.tasks import Tasks

_log = logging.getLogger(__name__)


class Reconciler:
    """
    Makes the catalogue what the namespaces want; owned by the application.

    Moving tags are looked at once per *interval*, in seconds.
    """

    def __init__(
        self,
        *,
        loader: Loader,
        installer: Installer,
        catalogue: Catalogue,
        upgrades: Upgrades | None = None,
        interval: float = 10.0,
        observe: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._loader = loader
        self._installer = installer
        self._catalogue = catalogue
        self._upgrades = upgrades
        self._interval = interval
        self._journal = Journal(catalogue, observe)
        self._loaded = Loaded()
        self._wanted: Skills = {}
        self._untried: set[SkillPath] | None = None  # None before the first pass
        self._attempts: dict[SkillPath, Attempt] = {}
        self._generation = 0
        self._tasks = Tasks()
        self._saver = Saver(installer, catalogue)

    async def run(
        self,
        ticks: AsyncIterable[None],
        *,
        watch_also: Callable[[frozenset[Path]], None] = lambda _: None,
    ) -> None:
        """Reconcile at every tick, until cancelled; raises what ends that or its endless tasks."""
        async with asyncio.TaskGroup() as group:
            endless = [group.create_task(self._saver.run(), name="save what is served")]
            if self._upgrades is not None:
                work = self._upgrades.run(self._upgraded)
                endless.append(group.create_task(work, name="upgrade to whole"))
            try:
                async for _ in ticks:
                    await self.reconcile_once()
                    watch_also(self._loaded.directories | self._loader.directories())
            finally:
                for task in endless:
                    task.cancel()
                await self.close()

    async def reconcile_once(self) -> None:
        """Load, compare, start what differs. Returns before the installations have ended."""
        noticed = time.monotonic()
        self._loaded = await self._loader.load()
        await self._find_lost_files()
        self._journal.sources(self._loaded)
        self._enable_tools()
        todo = self._plan(noticed)
        async for path in in_turns(todo.drop):
            self._drop(path)
        async for path in in_turns(todo.retire):
            self._retire(path)
        async for path in in_turns(todo.start):
            self._expect(path)
        self._journal.publish()
        async for path in in_turns(todo.start, portion=0.0):  # what is started has work of its own
            attempt = self._attempts[path]
            if not attempt.tried or attempt.due <= time.monotonic():  # else its timer was quicker
                self._start(attempt, noticed)
        if not self._catalogue.complete:
            unserved = self._loaded.desired.skills.keys() - self._catalogue.served.keys()
            self._untried = {path for path in unserved if not self._attempts[path].tried}
            self._note_completeness()

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
        attempt.repair = True
        self._start(attempt)
        return True

    async def settled(self) -> None:
        """Wait until nothing is being installed."""
        while running := [one.task for one in self._attempts.values() if one.task is not None]:
            await asyncio.wait(running)

    async def close(self) -> None:
        """Stop all work; what is served stays so."""
        for attempt in self._attempts.values():
            attempt.stop_timer()
        self._attempts.clear()
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
            self._release(record.skill.path, record.digest)
            return
        if found is not None:
            skill = self._installer.served(record.skill, found, revision=record.revision)
            self._publish(replace(skill, since=record.since))

    # Decide --------------------------------------------------------------------------------------

    def _plan(self, now: float) -> Plan:
        self._wanted = self._loaded.wanted(self._catalogue.served)
        for attempt in self._attempts.values():
            if attempt.at_every_tick:
                attempt.due = now
        return plan(
            wanted=self._wanted,
            served=self._catalogue.served.keys(),
            attempts=self._attempts,
            now=time.monotonic(),
        )

    def _expect(self, path: SkillPath) -> None:
        """Note a wish that is new."""
        if path not in self._attempts:
            attempt = self._attempts[path] = Attempt(spec=self._wanted[path])
            self._journal.note(attempt)

    def _start(self, attempt: Attempt, noticed: float | None = None) -> None:
        attempt.stop_timer()
        if attempt.running:
            return
        self._generation += 1
        attempt.generation = self._generation
        attempt.noticed = time.monotonic() if noticed is None else noticed
        work = self._bring_about(attempt, self._generation)
        attempt.task = self._tasks.spawn(work, name=f"install {attempt.spec.path}")
        attempt.task.add_done_callback(partial(self._broke, attempt, self._generation))

    def _drop(self, path: SkillPath) -> None:
        attempt = self._attempts.pop(path)
        attempt.stop_timer()
        if attempt.task is not None:
            attempt.task.cancel()
        if path not in self._wanted:
            self._journal.remove(path)
            self._retire(path)

    def _retire(self, path: SkillPath) -> None:
        old = self._catalogue.served.get(path)
        if old is None:
            return
        self._catalogue.retire(path)
        if self._upgrades is not None:
            self._upgrades.drop(path)
        self._let_go(old)
        self._installer.forget(path)
        self._saver.changed()
        self._tell("retired", path, "no longer wanted")

    def _note_completeness(self) -> None:
        """The first pass is over once every namespace was read and every Skill tried once."""
        if self._untried is not None and not self._untried and self._loaded.complete:
            self._catalogue.complete = True

    def _enable_tools(self) -> None:
        for name, wish in self._loaded.desired.wishes.items():
            tools = NamespaceTools(wish.native_tools, wish.mcp_servers)
            self._catalogue.enable_tools(name, tools)

    # Act -----------------------------------------------------------------------------------------

    async def _bring_about(self, attempt: Attempt, generation: int) -> None:
        """Try once, and note how it went; a late result of an older generation counts nothing."""
        phases = Phases()
        failed: DaemonError | None = None
        try:
            served = await self._made(attempt, phases=phases)
        except DaemonError as error:
            failed = error
        finally:
            is_current = self._is_current(attempt, generation)
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
        self._tried(attempt)

    def _is_current(self, attempt: Attempt, generation: int) -> bool:
        current = self._attempts.get(attempt.spec.path)
        return current is attempt and attempt.generation == generation

    def _broke(self, attempt: Attempt, generation: int, task: asyncio.Task[None]) -> None:
        """Take a bug, which is logged already, for a failure: it must hold up nobody else."""
        if task.cancelled() or task.exception() is None:
            return
        if self._is_current(attempt, generation):
            text = "the installation broke off, by a bug of skilld: its log says more"
            self._failed(attempt, DaemonError(ErrorKind.INTERNAL, text))
            self._tried(attempt)

    def _tried(self, attempt: Attempt) -> None:
        """Tell how the attempt went, and have it repeated when its time has come."""
        attempt.stop_timer()
        if attempt.due != NEVER:
            wait = max(0.0, attempt.due - time.monotonic())
            attempt.timer = asyncio.get_running_loop().call_later(wait, self._start, attempt)
        self._journal.note(attempt)
        self._journal.publish()
        if self._untried:
            self._untried.discard(attempt.spec.path)
        self._note_completeness()

    async def _made(self, attempt: Attempt, *, phases: Phases) -> Served:
        """Return what shall answer, loaded and ready. Raises DaemonError."""
        spec, revision = attempt.spec, self._revision(attempt.spec.path)
        if isinstance(spec, ChatSpec):
            return ServedChat(spec, revision, now())
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
        interval = self._interval * (0.9 + 0.2 * random.random())  # noqa: S311 - jitter
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
            interval=self._interval,
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
            if skill.path in self._attempts:
                self._journal.note(self._attempts[skill.path])
            self._journal.publish()
            return
        self._release(skill.path, artifact.digest)
        if not self._catalogue.uses(artifact.id):
            self._installer.unload(artifact.id)

    # Let go --------------------------------------------------------------------------------------

    def _let_go(self, old: Served) -> None:
        """Free what only *old* needed."""
        if not isinstance(old, ServedSkill):
            return
        if not self._catalogue.uses(old.artifact.id):
            self._installer.unload(old.artifact.id)
        self._release(old.path, old.digest)

    def _release_unless_served(self, attempt: Attempt) -> None:
        if attempt.digest is not None:
            self._release(attempt.spec.path, attempt.digest)
        self._installer.unload_idle(self._catalogue.uses)

    def _release(self, path: SkillPath, digest: Digest) -> None:
        """Let the files of a version go, unless it is served, or about to be."""
        current, attempt = self._catalogue.served.get(path), self._attempts.get(path)
        if isinstance(current, ServedSkill) and current.digest == digest:
            return
        if attempt is not None and attempt.running and attempt.digest == digest:
            return  # which releases it itself, if it comes to nothing
        self._installer.release(path, digest)

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


def _lost(skills: list[ServedSkill]) -> list[SkillPath]:
    return [one.path for one in skills if not all(file.exists() for file in one.artifact.files)]
