"""
Keeps N worker processes alive, loaded and healthy.

A worker is disposable: lost, hung or bloated ones are replaced, and a replacement has every served
artifact before it takes calls. Leaves out the calls themselves (`supervisor`), to whom it reports
through `Crew`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Artifact
from daemon.tasks import Tasks
from daemon.workers.calls import Call
from daemon.workers.dispatch import Slot
from daemon.workers.health import Backoff, Vitals, unfit
from daemon.workers.messages import Drain, FromWorker, Load, Loaded, Ping, Pong, Unload, Warm
from daemon.workers.policy import FleetPolicy
from daemon.workers.process import Lost, WorkerProcess

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Worker:
    """One worker: its process, load, calls and loaded artifacts. Owned by the fleet."""

    number: int
    process: WorkerProcess = field(init=False)
    slot: Slot = field(init=False)
    calls: dict[int, Call] = field(default_factory=dict)
    abandoned: dict[int, float] = field(default_factory=dict)  # call: since when
    known: set[str] = field(default_factory=set)  # artifacts it has loaded, or can't load
    loads: dict[str, asyncio.Future[Loaded]] = field(default_factory=dict)
    warm: set[str] = field(default_factory=set)
    vitals: Vitals = field(default_factory=Vitals)
    weighed: asyncio.Future[None] | None = None  # done with its next pong
    alive: bool = True
    ready: bool = False
    retiring: bool = False

    def __post_init__(self) -> None:
        self.slot = Slot(self.number)


class Crew(Protocol):
    """Who works with the workers: the supervisor."""

    def opened(self, worker: Worker) -> None:
        """It takes calls from now on."""
        ...

    def closed(self, worker: Worker) -> None:
        """It must get no more calls."""
        ...

    def lost(self, worker: Worker, lost: Lost) -> None:
        """It is gone, and with it the calls that it had."""
        ...

    def received(self, worker: Worker, frame: FromWorker) -> None:
        """It said something about a call."""
        ...


class Fleet:
    """All workers. Owned by the supervisor."""

    def __init__(self, policy: FleetPolicy, crew: Crew) -> None:
        self._policy = policy
        self._crew = crew
        self._workers: list[Worker] = []
        self._artifacts: dict[str, Artifact] = {}
        self._tasks = Tasks()
        self._backoff = Backoff()
        self._started = 0
        self._pings = 0
        self._warned = False
        self._stopping = False
        self.restarts: Counter[str] = Counter()

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that are alive, also while they start or drain."""
        return self._workers

    @property
    def up(self) -> int:
        """How many take calls."""
        return sum(worker.ready and not worker.retiring for worker in self._workers)

    # Life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring up all workers. Raises DaemonError, and leaves none behind, if one fails."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._policy.workers):
                    group.create_task(self._bring_up(), name="start worker")
        except* DaemonError as errors:
            await self.stop(grace=0)
            raise _first(errors) from None
        self._tasks.spawn(self._beat(), name="worker heartbeat", fatal=True)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._policy.ping_interval)
            self.beat_once()

    def beat_once(self) -> None:
        """Ping all, kill the hung, have the unfit replaced."""
        now = asyncio.get_running_loop().time()
        for worker in list(self._workers):
            self._examine(worker, now)

    def _examine(self, worker: Worker, now: float) -> None:
        health = self._policy.health
        if worker.vitals.unanswered >= health.pings:
            worker.process.kill("hung: it answered no ping")
            return
        self._ping(worker)
        stuck = [number for number, since in worker.abandoned.items() if now - since > health.stuck]
        reason = unfit(worker.vitals, health, stuck=len(stuck))
        busy = any(one.retiring or not one.ready for one in self._workers)
        if reason is not None and worker.ready and not worker.retiring and not busy:
            worker.retiring = True
            self._tasks.spawn(self._recycle(worker, reason), name=f"recycle worker {worker.number}")

    def _ping(self, worker: Worker) -> None:
        self._pings += 1
        worker.vitals.unanswered += 1
        worker.process.send(Ping(self._pings))

    async def _recycle(self, worker: Worker, reason: str) -> None:
        """Make before break: the successor takes over, then the old one finishes its calls."""
        try:
            await self._bring_up()
        except DaemonError as error:
            _log.error("worker %d stays, no successor: %s", worker.number, error)
            worker.retiring = False
            if not worker.alive:
                await self._replace()
            return
        self.restarts[reason] += 1
        _log.info("worker %d is replaced: %s", worker.number, reason)
        self._crew.closed(worker)
        worker.process.send(Drain())
        if not await worker.process.wait(timeout=self._policy.drain):
            worker.process.kill("took too long to finish its calls")

    async def _bring_up(self) -> Worker:
        """Start a worker, load all that is served, then let it take calls."""
        self._started += 1
        worker = Worker(self._started)
        worker.process = WorkerProcess(
            lambda frame: self._received(worker, frame), lost=lambda lost: self._lost(worker, lost)
        )
        await worker.process.start(self._policy.command, timeout=self._policy.hello)
        if not worker.alive:
            raise DaemonError(ErrorKind.WORKER_LOST, "a worker died right after its start")
        self._workers.append(worker)
        try:
            await self._catch_up(worker)
            await self._weigh(worker)
        except BaseException:
            self._discard(worker)
            await worker.process.close(grace=0)
            raise
        worker.ready = True
        self._crew.opened(worker)
        return worker

    async def _catch_up(self, worker: Worker) -> None:
        """Load until nothing is missing; more may be deployed meanwhile."""
        while missing := [one for one in self._artifacts.values() if one.id not in worker.known]:
            await asyncio.gather(*(self._load_or_miss(worker, one) for one in missing))

    async def _weigh(self, worker: Worker) -> None:
        """Learn how much it takes before its first call: no successor would take less."""
        worker.weighed = asyncio.get_running_loop().create_future()
        self._ping(worker)
        try:
            async with asyncio.timeout(self._policy.hello):
                await worker.weighed
        except TimeoutError:
            text = f"worker {worker.number} answered no ping within {self._policy.hello:g} s"
            raise DaemonError(ErrorKind.WORKER_LOST, text) from None
        worker.vitals.at_start = worker.vitals.resident
        cap = self._policy.health.resident
        if worker.vitals.at_start > cap and not self._warned:
            self._warned = True
            _log.warning(
                "a worker takes %d MiB before its first call, which is over WORKER_MEMORY "
                "(%d MiB): it can't be replaced by a smaller one, so raise that, or serve less",
                worker.vitals.at_start >> 20,
                cap >> 20,
            )

    def _lost(self, worker: Worker, lost: Lost) -> None:
        was_ready = worker.ready
        self._discard(worker)
        if not (worker.retiring and not worker.calls):
            _log.error("worker %d %s", worker.number, lost)
        self._crew.closed(worker)
        self._crew.lost(worker, lost)
        if was_ready and not worker.retiring and not self._stopping:
            self.restarts["hung" if lost.reason.startswith("hung") else "crashed"] += 1
            self._tasks.spawn(self._replace(), name=f"replace worker {worker.number}")

    def _discard(self, worker: Worker) -> None:
        """Forget a worker; who waits for its loads hears of it."""
        worker.alive = worker.ready = False
        if worker in self._workers:
            self._workers.remove(worker)
        worker.process.kill()
        for waiting in (*worker.loads.values(), worker.weighed):
            if waiting is not None and not waiting.done():
                waiting.set_exception(
                    DaemonError(ErrorKind.WORKER_LOST, "the worker died while it loaded a Skill")
                )

    async def _replace(self) -> None:
        """Bring up one worker, however often it takes."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            await asyncio.sleep(self._backoff.delay(loop.time()))
            try:
                await self._bring_up()
            except DaemonError as error:
                _log.error("no new worker: %s", error)
            else:
                return

    async def stop(self, *, grace: float) -> None:
        """Ask all to finish, and end those that have not after *grace* seconds."""
        self._stopping = True
        await self._tasks.close()
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.process.expect_end()
            worker.process.send(Drain())
        await asyncio.gather(*(self._end(worker, grace) for worker in workers))

    async def _end(self, worker: Worker, grace: float) -> None:
        await worker.process.wait(timeout=grace)
        await worker.process.close(grace=0)
        self._discard(worker)

    # Frames ----------------------------------------------------------------------------------

    def _received(self, worker: Worker, frame: FromWorker) -> None:
        match frame:
            case Pong():
                worker.vitals.unanswered = 0
                worker.vitals.zombies = frame.zombies
                worker.vitals.resident = frame.resident
                if worker.weighed is not None and not worker.weighed.done():
                    worker.weighed.set_result(None)
            case Loaded():
                load = worker.loads.get(frame.artifact)
                if load is not None and not load.done():
                    load.set_result(frame)
            case _:
                self._crew.received(worker, frame)

    # Artifacts -------------------------------------------------------------------------------

    async def load(self, artifact: Artifact, *, describe: bool) -> Loaded:
        """
        Load in one worker first, then in all: a bad artifact harms one worker at most.

        Raises DaemonError: the artifact's failure, or WORKER_LOST.
        """
        first = min(
            (one for one in self._workers if one.ready and not one.retiring),
            key=lambda one: one.slot.running,
            default=None,
        )
        if first is None:
            raise DaemonError(ErrorKind.WORKER_LOST, "no worker is up yet", retry_after=1.0)
        loaded = await self._load(first, artifact, describe=describe)
        if loaded.failure is not None:
            failure = loaded.failure
            raise DaemonError(kind_of(failure.kind), failure.message)
        first.known.add(artifact.id)
        self._artifacts[artifact.id] = artifact
        others = [one for one in self._workers if artifact.id not in one.known]
        await asyncio.gather(*(self._load_elsewhere(one, artifact) for one in others))
        return loaded

    async def _load_elsewhere(self, worker: Worker, artifact: Artifact) -> None:
        try:
            await self._load_or_miss(worker, artifact)
        except DaemonError as error:
            # Gone or stuck: its successor loads everything before it takes calls.
            _log.warning("worker %d did not load %s: %s", worker.number, artifact.id, error)
            worker.slot.missing.add(artifact.id)

    async def _load_or_miss(self, worker: Worker, artifact: Artifact) -> None:
        """Load; where it can't be, note that its calls must go to other workers."""
        await self._turn(worker, artifact)
        if artifact.id in worker.known:
            return
        loaded = await self._load(worker, artifact, describe=False)
        if artifact.id not in self._artifacts:
            worker.process.send(Unload(artifact.id))  # it was retired meanwhile
            return
        worker.known.add(artifact.id)
        if loaded.failure is not None:
            worker.slot.missing.add(artifact.id)
            message = loaded.failure.message
            _log.error("worker %d can't load %s: %s", worker.number, artifact.id, message)

    async def _turn(self, worker: Worker, artifact: Artifact) -> None:
        """Answers name the artifact only, so there is one load of it at a time."""
        while pending := worker.loads.get(artifact.id):
            await asyncio.wait([pending])
            await asyncio.sleep(0)  # lets who asked for it take it away

    async def _load(self, worker: Worker, artifact: Artifact, *, describe: bool) -> Loaded:
        await self._turn(worker, artifact)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Loaded] = loop.create_future()
        worker.loads[artifact.id] = answer
        policy = self._policy
        worker.process.send(
            Load(
                artifact=artifact.id,
                world=artifact.world.value,
                kind=artifact.kind.value,
                component=str(artifact.component),
                shared=[(name, str(path)) for name, path in artifact.shared],
                strings=artifact.strings,
                describe=describe,
                timeout=policy.describe,
                memory=policy.describe_memory,
                memories=len(artifact.memories),
            )
        )
        try:
            async with asyncio.timeout(policy.load):
                return await answer
        except TimeoutError:
            raise DaemonError(
                ErrorKind.SKILL_NOT_READY,
                f"worker {worker.number} did not load {artifact.id} within {policy.load:g} s",
            ) from None
        finally:
            worker.loads.pop(artifact.id, None)

    def unload(self, artifact: str) -> None:
        """Forget an artifact that has no calls left."""
        self._artifacts.pop(artifact, None)
        for worker in self._workers:
            worker.slot.missing.discard(artifact)
            worker.warm.discard(artifact)
            if artifact in worker.known:
                worker.known.discard(artifact)
                worker.process.send(Unload(artifact))

    def warm(self, wanted: Iterable[tuple[str, int]], *, instances: int) -> None:
        """Have exactly these artifacts warm, each with its memory cap in bytes."""
        caps = dict(wanted)
        for worker in self._workers:
            if not worker.ready or worker.retiring:
                continue
            for artifact in worker.warm - caps.keys():
                worker.process.send(Warm(artifact, 0))
            for artifact in caps.keys() - worker.warm:
                worker.process.send(Warm(artifact, instances, caps[artifact]))
            worker.warm = set(caps)


def kind_of(code: str) -> ErrorKind:
    """Return the kind of a code from a worker, INTERNAL where it says nothing known."""
    try:
        return ErrorKind(code)
    except ValueError:
        return ErrorKind.INTERNAL


def _first(group: BaseExceptionGroup[DaemonError]) -> DaemonError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
