"""
Keeps N worker processes alive and healthy.

A worker is disposable: lost, hung or bloated ones are replaced, and a replacement has every served
artifact before it takes calls. Leaves out how it gets them (`loads`) and the calls themselves
(`supervisor`), to whom it reports through `Crew`.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from daemon.errors import DaemonError, ErrorKind, first
from daemon.tasks import Tasks
from daemon.workers.health import Backoff, unfit
from daemon.workers.loads import Loads
from daemon.workers.member import Worker
from daemon.workers.messages import Drain, FromWorker, Loaded, Ping, Pong
from daemon.workers.policy import FleetPolicy
from daemon.workers.process import Lost, WorkerProcess

_log = logging.getLogger(__name__)

_RETIRING = 2
"""So many workers may finish their calls at a time, beside their successors; or all, if more."""


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

    def __init__(
        self, policy: FleetPolicy, crew: Crew, *, on_fatal: Callable[[BaseException], None]
    ) -> None:
        self._policy = policy
        self._crew = crew
        self._workers: list[Worker] = []
        self.loads = Loads(policy, self._workers)
        self._tasks = Tasks(on_fatal=on_fatal)
        self._backoff = Backoff()
        self._started = 0
        self._relieved: Worker | None = None  # whose successor is starting
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
        return sum(worker.ready for worker in self._workers)

    # Life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring up all workers. Raises DaemonError, and leaves none behind, if one fails."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._policy.workers):
                    group.create_task(self._bring_up(), name="start worker")
        except* DaemonError as errors:
            await self.stop(grace=0)
            raise first(errors) from None
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
        stuck = worker.stuck(since=now - health.stuck)
        if worker.retiring and stuck and stuck == len(worker.calls):
            worker.process.kill("was left with calls that do not end")
        if not worker.ready:
            return
        if self.loads.owed(worker):
            self._tasks.spawn(self._retry_loads(worker), name=f"retry loads of {worker.number}")
        reason = unfit(worker.vitals, health, stuck=stuck)
        if reason is not None and self._may_relieve():
            self._relieved = worker
            self._tasks.spawn(self._recycle(worker, reason), name=f"recycle worker {worker.number}")

    def _may_relieve(self) -> bool:
        """One successor at a time; and workers that do not finish must not pile up."""
        starting = sum(not (one.ready or one.retiring) for one in self._workers)
        retiring = sum(one.retiring for one in self._workers)
        most = max(_RETIRING, self._policy.workers)
        return self._relieved is None and not starting and retiring < most

    async def _retry_loads(self, worker: Worker) -> None:
        with contextlib.suppress(DaemonError):  # it died: its successor loads everything
            await self.loads.retry(worker)

    def _ping(self, worker: Worker) -> None:
        worker.vitals.unanswered += 1
        worker.process.send(Ping())

    async def _recycle(self, worker: Worker, reason: str) -> None:
        """Make before break: the successor takes over, then the old one finishes its calls."""
        try:
            await self._bring_up()
        except DaemonError as error:
            _log.error("worker %d stays, no successor: %s", worker.number, error)
            if not worker.alive:
                await self._replace()
            return
        finally:
            self._relieved = None
        if not worker.alive:
            return  # it died meanwhile: the successor is its replacement
        self.restarts[reason] += 1
        _log.info("worker %d is replaced: %s", worker.number, reason)
        worker.ready, worker.retiring = False, True
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
            await self.loads.catch_up(worker)
            await self._weigh(worker)
        except BaseException:
            self._discard(worker)
            await worker.process.close(grace=0)
            raise
        worker.ready = True
        _log.info("worker %d takes calls (process %s)", worker.number, worker.process.pid)
        self._crew.opened(worker)
        return worker

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
        if not worker.retiring or worker.calls:
            _log.error("worker %d %s", worker.number, lost)
        self._crew.closed(worker)
        self._crew.lost(worker, lost)
        if not was_ready or self._stopping:
            return
        self.restarts["hung" if lost.reason.startswith("hung") else "crashed"] += 1
        if worker is not self._relieved:
            name = f"replace worker {worker.number}"
            self._tasks.spawn(self._replace(), name=name, fatal=True)

    def _discard(self, worker: Worker) -> None:
        """Forget a worker; who waits for its loads hears of it."""
        if worker in self._workers:
            self._workers.remove(worker)
        worker.process.kill()
        worker.bury()

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
        workers = list(self._workers)
        self._workers.clear()
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
