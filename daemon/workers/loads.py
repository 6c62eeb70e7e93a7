"""
Which artifacts all workers have, and how they come to have them.

Leaves out workers that come and go (`fleet`) and which artifacts are worth keeping (`shelf`).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Artifact, Failure
from daemon.workers.member import Worker
from daemon.workers.messages import Load, Loaded, Unload, Warm
from daemon.workers.policy import FleetPolicy

_log = logging.getLogger(__name__)

_AT_A_TIME = 8
"""Loads in one worker; each has a time limit, and would share its core with all others."""


class Loads:
    """The artifacts of all workers. Owned by the fleet."""

    def __init__(self, policy: FleetPolicy, workers: Sequence[Worker]) -> None:
        """*workers*: those that are alive, as the fleet adds and removes them."""
        self._policy = policy
        self._workers = workers
        self._artifacts: dict[str, Artifact] = {}
        self._retrying: set[Worker] = set()

    async def load(self, artifact: Artifact, *, describe: bool) -> Loaded:
        """
        Load in one worker first, then in all: a bad artifact harms one worker at most.

        Raises DaemonError: the artifact's failure, or WORKER_LOST.
        """
        ready = (one for one in self._workers if one.ready)
        first = min(ready, key=lambda one: one.slot.running, default=None)
        if first is None:
            raise DaemonError(ErrorKind.WORKER_LOST, "no worker is up yet", retry_after=1.0)
        loaded = await self._load(first, artifact, describe=describe)
        if loaded.failure is not None:
            raise error_of(loaded.failure)
        self._artifacts[artifact.id] = artifact
        _know(first, artifact)
        others = [one for one in self._workers if artifact.id not in one.known]
        await asyncio.gather(*(self._load_elsewhere(one, artifact) for one in others))
        return loaded

    async def _load_elsewhere(self, worker: Worker, artifact: Artifact) -> None:
        try:
            await self._load_or_miss(worker, artifact)
        except DaemonError as error:
            # Its successor loads everything before it takes calls.
            _log.warning("worker %d did not load %s: %s", worker.number, artifact.id, error)

    async def catch_up(self, worker: Worker) -> None:
        """
        Load until nothing is left to try; more may be deployed meanwhile.

        Raises DaemonError WORKER_LOST.
        """
        while due := [
            one
            for one in self._artifacts.values()
            if one.id not in worker.known and one.id not in worker.slot.missing
        ]:
            queue = iter(due)
            await asyncio.gather(*(self._work_off(worker, queue) for _ in range(_AT_A_TIME)))

    async def _work_off(self, worker: Worker, queue: Iterable[Artifact]) -> None:
        for artifact in queue:
            await self._load_or_miss(worker, artifact)

    def owed(self, worker: Worker) -> bool:
        """Whether it should `retry` loads that failed for now."""
        return worker not in self._retrying and not worker.slot.missing <= worker.known

    async def retry(self, worker: Worker) -> None:
        """Try once more what failed for now. Raises DaemonError WORKER_LOST."""
        self._retrying.add(worker)
        try:
            for name in worker.slot.missing - worker.known:
                if (artifact := self._artifacts.get(name)) is not None:
                    await self._load_or_miss(worker, artifact)
        finally:
            self._retrying.discard(worker)

    async def _load_or_miss(self, worker: Worker, artifact: Artifact) -> None:
        """Load; where it can't be, note that its calls must go to other workers."""
        await self._turn(worker, artifact)
        if artifact.id in worker.known:
            return
        failure = (await self._load(worker, artifact, describe=False)).failure
        if artifact.id not in self._artifacts:
            worker.process.send(Unload(artifact.id))  # it was retired meanwhile
        elif failure is None:
            _know(worker, artifact)
        else:
            _miss(worker, artifact, failure)

    async def _turn(self, worker: Worker, artifact: Artifact) -> None:
        """Answers name the artifact only, so there is one load of it at a time."""
        while pending := worker.loads.get(artifact.id):
            await asyncio.wait([pending])
            await asyncio.sleep(0)  # lets who asked for it take it away

    async def _load(self, worker: Worker, artifact: Artifact, *, describe: bool) -> Loaded:
        """Return its answer, or one in its place if none comes. Raises DaemonError WORKER_LOST."""
        await self._turn(worker, artifact)
        if not worker.alive:
            raise DaemonError(ErrorKind.WORKER_LOST, "the worker died before it loaded a Skill")
        answer: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        worker.loads[artifact.id] = answer
        worker.process.send(self._frame(artifact, describe=describe))
        try:
            async with asyncio.timeout(self._policy.load):
                return await answer
        except TimeoutError:
            limit = self._policy.load
            text = f"worker {worker.number} did not load {artifact.id} within {limit:g} s"
            late = Failure(ErrorKind.SKILL_NOT_READY.value, text, retry_after=1.0)
            return Loaded(artifact.id, failure=late)
        finally:
            worker.loads.pop(artifact.id, None)

    def _frame(self, artifact: Artifact, *, describe: bool) -> Load:
        return Load(
            artifact=artifact.id,
            world=artifact.world.value,
            kind=artifact.kind.value,
            component=str(artifact.component),
            shared=[(name, str(path)) for name, path in artifact.shared],
            strings=artifact.strings,
            describe=describe,
            timeout=self._policy.describe,
            memory=self._policy.describe_memory,
            memories=len(artifact.memories),
        )

    def unload(self, artifact: str) -> None:
        """Forget an artifact that has no calls left."""
        self._artifacts.pop(artifact, None)
        for worker in self._workers:
            worker.slot.missing.discard(artifact)
            worker.warm.pop(artifact, None)
            if artifact in worker.known:
                worker.known.discard(artifact)
                worker.process.send(Unload(artifact))

    def warm(self, wanted: Iterable[tuple[str, int]], *, instances: int) -> None:
        """Have exactly these artifacts warm, each with its memory cap in bytes."""
        caps = dict(wanted)
        for worker in self._workers:
            if not worker.ready:
                continue
            for artifact in worker.warm.keys() - caps.keys():
                worker.process.send(Warm(artifact, 0))
            for artifact, cap in caps.items() - worker.warm.items():
                worker.process.send(Warm(artifact, instances, cap))
            worker.warm = caps.copy()


def error_of(failure: Failure) -> DaemonError:
    """Return a worker's failure as an error, INTERNAL where its kind is nothing known."""
    try:
        kind = ErrorKind(failure.kind)
    except ValueError:
        kind = ErrorKind.INTERNAL
    return DaemonError(kind, failure.message, retry_after=failure.retry_after)


def _know(worker: Worker, artifact: Artifact) -> None:
    worker.known.add(artifact.id)
    worker.slot.missing.discard(artifact.id)


def _miss(worker: Worker, artifact: Artifact, failure: Failure) -> None:
    if failure.retry_after is None:
        worker.known.add(artifact.id)  # it would fail again
    if artifact.id not in worker.slot.missing:
        worker.slot.missing.add(artifact.id)
        _log.error("worker %d can't load %s: %s", worker.number, artifact.id, failure.message)
