"""
Runs calls on worker processes: the parent's side of execution.

Every call ends: with its result, its own error, at its deadline, with its caller, or with its
worker. Deciding is left to `dispatch`, processes to `fleet`, and what a host call does to
`csi/context`. The way of a plain call is kept free of tasks and locks: one future, one timer.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Hashable
from types import MappingProxyType

from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Artifact, Description, Failure, StreamEvent
from daemon.tasks import Tasks
from daemon.workers.calls import (
    CREDIT,
    Call,
    FunctionCall,
    Invocation,
    StreamCall,
    cancelled,
    not_begun,
    not_finished,
    not_loaded,
    shutting_down,
    worker_lost,
)
from daemon.workers.dispatch import Dispatcher, State
from daemon.workers.fleet import Fleet
from daemon.workers.hosting import HostFactory, Hosting
from daemon.workers.loads import error_of
from daemon.workers.member import Worker
from daemon.workers.messages import Answer, Cancel, Credit, Done, Event, FromWorker, HostCall, Run
from daemon.workers.policy import FleetPolicy, SupervisorPolicy
from daemon.workers.process import Lost
from daemon.workers.report import Finished, Stats, Totals, ignore
from daemon.workers.shelf import Shelf

_log = logging.getLogger(__name__)

_INNOCENT = 2
"""So many deaths of workers may be a Skill's bad luck."""


class Supervisor:
    """Owns the workers and all calls in flight."""

    def __init__(
        self,
        *,
        host: HostFactory,
        on_fatal: Callable[[BaseException], None],
        fleet: FleetPolicy | None = None,
        policy: SupervisorPolicy | None = None,
        finished: Callable[[Finished], None] = ignore,
    ) -> None:
        """
        *finished* hears of every answered call, at once; it must not block or raise.

        *on_fatal* hears of a failure after which calls no longer end as they should: end the
        process.
        """
        self._policy = policy or SupervisorPolicy()
        self._fleet_policy = fleet or FleetPolicy()
        self._fleet = Fleet(self._fleet_policy, self, on_fatal=on_fatal)
        self._finished = finished
        self._dispatcher: Dispatcher[Call] = Dispatcher(self._policy.bounds)
        self._workers: dict[int, Worker] = {}  # by slot number
        self._shelf = Shelf(self._policy.warm)
        self._hosting = Hosting(host)
        self._tasks = Tasks(on_fatal=on_fatal)
        self._totals = Totals()
        self._suspects: Counter[Hashable] = Counter()  # by Skill: deaths since its last success
        self._numbers = itertools.count(1)
        self._aging: asyncio.TimerHandle | None = None
        self._stopping = False
        self._drained = asyncio.Event()

    # Life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring up all workers. Raises DaemonError WORKER_LOST if one can't be started."""
        await self._fleet.start()
        self._tasks.spawn(self._keep_warm(), name="warm instances", fatal=True)

    async def stop(self, *, grace: float) -> None:
        """Take no more calls, let those in flight end for *grace* seconds, end all workers."""
        self._stopping = True
        if self._dispatcher.calls:
            try:
                async with asyncio.timeout(grace):
                    await self._drained.wait()
            except TimeoutError:
                _log.warning("%d calls did not end in %g s", self._dispatcher.calls, grace)
        await self._fleet.stop(grace=min(grace, 2.0))
        for call in self._all_calls():
            self._dispatcher.leave(call)
            self._answer(call, error=shutting_down())
        if self._aging is not None:
            self._aging.cancel()
        await self._hosting.close()
        await self._tasks.close()

    def _all_calls(self) -> list[Call]:
        with_workers = (worker.calls.values() for worker in self._workers.values())
        return [*self._dispatcher.waiting(), *itertools.chain.from_iterable(with_workers)]

    # Artifacts -------------------------------------------------------------------------------

    async def load(self, artifact: Artifact, *, describe: bool) -> Description:
        """
        Load in one worker, then in all; with *describe* read its metadata there first.

        Loading what is loaded is fine. Raises DaemonError when it can't be loaded; a Skill whose
        metadata fails is loaded all the same.
        """
        loaded = await self._fleet.loads.load(artifact, describe=describe)
        self._shelf.add(artifact.id)
        if self._shelf.few(workers=self._fleet_policy.workers):  # else the next round will do
            self._warm()
        return Description(loaded.metadata, loaded.metadata_failure)

    def unload(self, artifact_id: str) -> None:
        """Forget an artifact, at the latest once the last call of it has ended."""
        if self._shelf.retire(artifact_id):
            self._fleet.loads.unload(artifact_id)

    async def _keep_warm(self) -> None:
        while True:
            await asyncio.sleep(self._policy.warm_interval)
            self._shelf.cool()
            self._warm()

    def _warm(self) -> None:
        hottest = self._shelf.hottest(workers=self._fleet_policy.workers)
        self._fleet.loads.warm(hottest, instances=self._policy.warm.instances)

    # Calls -----------------------------------------------------------------------------------

    async def run(self, call: Invocation) -> bytes:
        """Call a function, return its JSON text. Raises DaemonError. Cancelling stops the guest."""
        started = asyncio.get_running_loop().time()
        running = FunctionCall(call, number=next(self._numbers), started=started)
        self._begin(running)
        try:
            return await running.result
        finally:
            if running.admitted:
                self._abandon(running, cancelled(running))

    async def stream(self, call: Invocation) -> AsyncGenerator[StreamEvent, None]:
        """
        Call a stream and yield its events. Raises DaemonError.

        Closing it cancels the guest. A reader who takes his time holds the guest up.
        """
        started = asyncio.get_running_loop().time()
        reading = StreamCall(call, number=next(self._numbers), started=started)
        self._begin(reading)
        try:
            while True:
                while reading.events:
                    yield self._take(reading)
                if reading.ended:
                    break
                await reading.changed()
        finally:
            if reading.admitted:
                self._abandon(reading, cancelled(reading))
        if reading.error is not None:
            raise reading.error

    def _take(self, call: StreamCall) -> StreamEvent:
        event = call.take()
        credit = call.credit()
        if credit and call.slot is not None:
            self._workers[call.slot.number].process.send(Credit(call.number, credit))
        return event

    def _begin(self, call: Call) -> None:
        """Admit a call, and send or queue it. Raises DaemonError."""
        if self._stopping:
            raise shutting_down()
        slot = self._dispatcher.admit(call)
        if not self._shelf.take(call.artifact, memory=call.invocation.limits.memory):
            self._dispatcher.leave(call)
            self._dispatcher.answer(call)
            raise not_loaded(call)
        if slot is not None:
            self._send(call)
        else:
            self._arm_queue_timer(call)

    def _arm_queue_timer(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._policy.queue_timeout
        if call.deadline is not None and call.deadline < limit:  # its second attempt
            call.timer = loop.call_at(call.deadline, self._expire, call)
        else:
            call.timer = loop.call_at(limit, self._waited_too_long, call)
        if self._aging is None:
            self._aging = loop.call_later(self._policy.patience, self._age)

    def _send(self, call: Call) -> None:
        """Give a placed call to its worker, and start its clock."""
        assert call.slot is not None
        loop = asyncio.get_running_loop()
        worker = self._workers[call.slot.number]
        limits = call.invocation.limits
        now = call.running_since = loop.time()
        if call.deadline is None:
            caller = call.invocation.caller.deadline
            call.deadline = now + limits.timeout if caller is None else caller
            call.deadline = min(call.deadline, now + limits.timeout)
        call.disarm()
        call.timer = loop.call_at(call.deadline, self._expire, call)
        worker.calls[call.number] = call
        worker.process.send(
            Run(
                call=call.number,
                artifact=call.artifact,
                input=call.invocation.input,
                timeout=max(0.0, call.deadline - now),
                memory=limits.memory,
                output=limits.output,
                credit=CREDIT,
            )
        )

    def _pump(self) -> None:
        """Send queued calls for as long as there is room."""
        while (call := self._dispatcher.next()) is not None:
            self._send(call)

    def _age(self) -> None:
        """Calls that run for long make room for those that wait: they share the core."""
        loop = asyncio.get_running_loop()
        old = loop.time() - self._policy.patience
        for worker in self._workers.values():
            for call in worker.calls.values():
                if call.state is State.RUNNING and call.running_since <= old:
                    self._dispatcher.age(call)
        self._pump()
        again = self._dispatcher.queued > 0
        self._aging = loop.call_later(self._policy.patience, self._age) if again else None

    # Ends ------------------------------------------------------------------------------------

    def _waited_too_long(self, call: Call) -> None:
        bounds, waited = self._policy.bounds, self._policy.queue_timeout
        self._abandon(call, not_begun(call, waited=waited, retry_after=bounds.retry_after))

    def _expire(self, call: Call) -> None:
        """Its time is up: answer now, whatever the worker does about it."""
        self._abandon(call, not_finished(call))

    def _abandon(self, call: Call, error: DaemonError) -> None:
        """Answer, and have the worker stop; until its `Done` it still has the load of it."""
        if call.slot is None:
            self._dispatcher.leave(call)
        else:
            worker = self._workers[call.slot.number]
            worker.abandoned[call.number] = asyncio.get_running_loop().time()
            worker.process.send(Cancel(call.number))
        self._answer(call, error=error)

    def _answer(
        self, call: Call, output: bytes | None = None, *, error: DaemonError | None = None
    ) -> None:
        """Tell who waits, stop the clock and all that was done for the guest. Once per call."""
        if not call.admitted:
            return
        self._dispatcher.answer(call)
        call.disarm()
        call.conclude(output, error=error)
        self._hosting.dismiss(call)
        self._account(call, error)

    def _account(self, call: Call, error: DaemonError | None) -> None:
        if error is None and self._suspects:
            self._suspects.pop(call.skill, None)
        self._totals.warm += call.warm
        if self._shelf.give_back(call.artifact):
            self._fleet.loads.unload(call.artifact)
        wall = asyncio.get_running_loop().time() - call.started
        kind = error.kind if error is not None else None
        self._finished(Finished(call.invocation.path, kind, wall, call.cpu, call.warm))
        if self._stopping and not self._dispatcher.calls:
            self._drained.set()

    # Crew: what the fleet reports ------------------------------------------------------------

    def opened(self, worker: Worker) -> None:
        """See `Crew`."""
        self._workers[worker.number] = worker
        self._dispatcher.open(worker.slot)
        self._warm()
        self._pump()

    def closed(self, worker: Worker) -> None:
        """See `Crew`."""
        self._dispatcher.close(worker.slot)

    def lost(self, worker: Worker, lost: Lost) -> None:
        """See `Crew`. A call that left no trace is tried once more elsewhere."""
        self._workers.pop(worker.number, None)
        self._suspects.update({call.skill for call in worker.calls.values()})
        for call in list(worker.calls.values()):
            self._dispatcher.leave(call)
            if call.admitted and self._may_retry(call):
                call.retried = True
                call.disarm()
                self._dispatcher.requeue(call)
                self._arm_queue_timer(call)
            else:
                self._answer(call, error=worker_lost(call, lost))
        worker.calls.clear()
        self._pump()

    def _may_retry(self, call: Call) -> bool:
        """A Skill that was there whenever a worker died, and never succeeded, kills no second."""
        suspect = self._suspects[call.skill] > _INNOCENT
        return not (call.touched or call.retried or suspect or self._stopping)

    def received(self, worker: Worker, frame: FromWorker) -> None:
        """See `Crew`. Frames of calls that are not the worker's, or no longer, are dropped."""
        match frame:
            case Done():
                call = worker.calls.pop(frame.call, None)
                if call is not None:
                    self._done(worker, call, frame)
            case HostCall():
                call = worker.calls.get(frame.call)
                if call is not None and call.admitted:
                    self._ask(worker, call, frame)
            case Event():
                call = worker.calls.get(frame.call)
                if call is not None and call.admitted:
                    self._event(worker, call, frame)
            case _:
                worker.process.kill(f"sent {type(frame).__name__} out of place")

    def _done(self, worker: Worker, call: Call, done: Done) -> None:
        worker.abandoned.pop(call.number, None)
        worker.vitals.calls += 1
        self._dispatcher.leave(call)
        self._pump()  # before the answer: the worker is waiting
        self._totals.cpu += done.cpu
        call.cpu, call.warm = done.cpu, done.warm
        failure = done.failure
        self._answer(call, done.output, error=None if failure is None else error_of(failure))

    def _event(self, worker: Worker, call: Call, frame: Event) -> None:
        call.touched = True
        if not isinstance(call, StreamCall) or not call.push(frame.event):
            worker.process.kill(f"sent {type(frame.event).__name__} without credit for it")

    def _ask(self, worker: Worker, call: Call, question: HostCall) -> None:
        """Have a host call answered; meanwhile the worker may run another one."""
        call.touched = True
        if question.request in call.requests:
            worker.process.kill(f"asked twice with number {question.request}")
            return
        self._dispatcher.wait(call)
        self._hosting.ask(call, question, answered=lambda answer: self._reply(worker, call, answer))
        self._pump()

    def _reply(self, worker: Worker, call: Call, answer: Answer) -> None:
        if not call.requests:
            self._dispatcher.resume(call)
            call.running_since = asyncio.get_running_loop().time()
        try:
            worker.process.send(answer)
        except OverflowError as error:
            failure = Failure(ErrorKind.CSI_UPSTREAM.value, f"the answer is too big: {error}")
            worker.process.send(Answer(call.number, answer.request, failure=failure))

    # Stats -----------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """A snapshot for metrics."""
        slots = [worker.slot for worker in self._workers.values()]
        vitals = [worker.vitals for worker in self._fleet.workers]
        return Stats(
            running=sum(slot.running + slot.slow for slot in slots),
            queued=self._dispatcher.queued,
            waiting=sum(slot.waiting for slot in slots),
            workers_up=self._fleet.up,
            workers_wanted=self._fleet_policy.workers,
            zombies=sum(one.zombies for one in vitals),
            resident=sum(one.resident for one in vitals),
            restarts=MappingProxyType(dict(self._fleet.restarts)),
            cpu_seconds=self._totals.cpu,
            warm=self._totals.warm,
        )
