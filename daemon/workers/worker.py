"""
What a worker does with each message from its parent.

Messages are handled on the thread that reads them and must not wait there; whatever takes long
gets a thread of its own. Leaves out the process around it (`main`).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from daemon.engine import describe, execute
from daemon.engine.call import Call, running
from daemon.engine.clock import Clock
from daemon.engine.gate import Gate
from daemon.engine.loaded import Loaded, Loader
from daemon.engine.warm import Spares
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Failure, SkillKind, World
from daemon.workers import messages
from daemon.workers.conversation import Conversation
from daemon.workers.link import Send
from daemon.workers.resident import Ebb, resident
from daemon.workers.threads import Threads

_NO_THREAD = Failure(
    ErrorKind.OVERLOADED.value,
    "The system gives skilld no more threads: allow it more (a container's limit on pids, "
    "`ulimit -u`), or fewer calls at a time (MAX_CALLS).",
    retry_after=1.0,
)


class Worker:
    """Owns the artifacts and the calls of this process."""

    def __init__(self, *, send: Send, leave: Callable[[], None]) -> None:
        """*leave* ends the process, once nothing runs after `Drain`."""
        self._send = send
        self._leave = leave
        self._loader = Loader()
        self._gate = Gate()
        self._threads = Threads()
        self._ebb = Ebb()
        self._skills: dict[str, Loaded] = {}
        self._calls: dict[int, tuple[Call, Conversation]] = {}
        self._zombies: set[Call] = set()
        self._rehearsals: dict[Call, messages.Load] = {}
        self._draining = False
        self._clock = Clock(
            gate=self._gate, advance=self._loader.advance_epoch, give_up=self._give_up
        )
        self._spares = Spares(gate=self._gate, clock=self._clock, run=self._threads.run)
        self._handlers: dict[type, Callable[[Any], None]] = {
            messages.Run: self._start,
            messages.Answer: self._deliver,
            messages.Credit: self._deliver,
            messages.Cancel: self._cancel,
            messages.Load: self._begin_load,
            messages.Unload: self._unload,
            messages.Warm: self._warm,
            messages.Ping: self._pong,
            messages.Drain: lambda _drain: self.drain(),
        }
        self._clock.start()

    def handle(self, message: messages.ToWorker) -> None:
        """Do what the parent says."""
        self._handlers[type(message)](message)

    def _deliver(self, message: messages.Answer | messages.Credit) -> None:
        if (found := self._calls.get(message.call)) is not None:
            found[1].deliver(message)

    def _cancel(self, message: messages.Cancel) -> None:
        if (found := self._calls.get(message.call)) is not None:
            found[0].stop(DaemonError(ErrorKind.CANCELLED, "The call was cancelled."))

    def _unload(self, message: messages.Unload) -> None:
        self._spares.forget(message.artifact)
        self._skills.pop(message.artifact, None)

    def _warm(self, message: messages.Warm) -> None:
        skill = self._skills.get(message.artifact)
        if skill is not None:
            self._spares.want(
                message.artifact, skill, instances=message.instances, memory=message.memory
            )

    def drain(self) -> None:
        """Leave as soon as nothing runs."""
        self._draining = True
        if not self._calls:
            self._leave()

    def _pong(self, _: messages.Ping) -> None:
        if not self._calls and not self._threads.busy:  # else guests may still be freed
            self._ebb.settle()
        self._send(messages.Pong(len(self._zombies), resident()))

    # Calls.

    def _start(self, run: messages.Run) -> None:
        conversation = Conversation(send=self._send, credit=run.credit, output=run.output)
        call = Call(number=run.call, timeout=run.timeout, gate=self._gate, host=conversation)
        call.wake = partial(conversation.deliver, None)
        self._calls[run.call] = call, conversation
        if not self._threads.run(partial(self._serve, call, run)):
            self._finish(call, messages.Done(call.number, failure=_NO_THREAD))

    def _serve(self, call: Call, run: messages.Run) -> None:
        try:
            skill = self._skills.get(run.artifact)
            if skill is None:
                raise DaemonError(ErrorKind.INTERNAL, "The worker has not loaded this Skill.")
            call.begin()
            self._clock.watch(call)
            with running(call):
                self._execute(call, skill, run)
        except DaemonError as error:
            self._finish(call, messages.Done(call.number, failure=failure(error)))
        except BaseException as error:  # a bug of ours must not leave the caller waiting
            broken = DaemonError(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}")
            self._finish(call, messages.Done(call.number, failure=failure(broken)))
            raise
        finally:
            self._clock.release(call)
            call.end()
            self._zombies.discard(call)
        self._spares.restock()

    def _execute(self, call: Call, skill: Loaded, run: messages.Run) -> None:
        before = time.thread_time()
        spare = self._spares.take(run.artifact, skill, memory=run.memory)
        instance = spare or skill.instantiate(memory=run.memory, call=call)
        output, broken = None, None
        try:
            output = execute.run(call, skill, instance, text=run.input, cap=run.output)
        except DaemonError as error:
            broken = failure(error)
        done = messages.Done(
            call.number,
            output=output,
            failure=broken,
            cpu=time.thread_time() - before,
            warm=spare is not None,
        )
        self._finish(call, done)  # before the store is freed: that is nobody's to wait for
        instance.close()

    def _finish(self, call: Call, done: messages.Done) -> None:
        if call.settle():
            self._report(call, done)

    def _report(self, call: Call, done: messages.Done) -> None:
        self._calls.pop(call.number, None)
        self._send(done)
        if self._draining and not self._calls:
            self._leave()

    def _give_up(self, call: Call) -> None:
        """Report a call whose guest can't be stopped; its thread stays behind."""
        error = call.verdict()
        if error is None or not call.settle():
            return
        self._zombies.add(call)
        if self._spares.gave_up(call):
            return
        if (load := self._rehearsals.pop(call, None)) is not None:
            broken = messages.Loaded(load.artifact, metadata_failure=failure(error))
            self._off_the_clock(partial(self._send, broken))
            return
        done = messages.Done(call.number, failure=failure(error))
        self._off_the_clock(partial(self._report, call, done))

    def _off_the_clock(self, job: Callable[[], None]) -> None:
        """Send on a thread: the clock ticks for all, and must not wait while there is one."""
        if not self._threads.run(job):
            job()

    # Artifacts.

    def _begin_load(self, load: messages.Load) -> None:
        if not self._threads.run(partial(self._load_safely, load)):
            self._send(messages.Loaded(load.artifact, failure=_NO_THREAD))

    def _load_safely(self, load: messages.Load) -> None:
        try:
            self._load(load)
        except BaseException as error:  # a bug of ours must not leave the parent waiting
            broken = DaemonError(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}")
            self._send(messages.Loaded(load.artifact, failure=failure(broken)))
            raise

    def _load(self, load: messages.Load) -> None:
        try:
            skill = self._skills.get(load.artifact) or self._loader.load(
                world=World(load.world),
                kind=SkillKind(load.kind),
                path=load.component,
                shared=load.shared,
                strings=load.strings,
                memories=load.memories,
            )
        except DaemonError as error:
            self._send(messages.Loaded(load.artifact, failure=failure(error)))
            return
        # Two Skills may be one artifact, loaded at a time: warm instances fit the first one only.
        skill = self._skills.setdefault(load.artifact, skill)
        if load.describe:
            self._describe(skill, load)
        else:
            self._send(messages.Loaded(load.artifact))

    def _describe(self, skill: Loaded, load: messages.Load) -> None:
        call = Call(number=0, timeout=load.timeout, gate=self._gate, host=describe.NoHost())
        self._rehearsals[call] = load
        answer = messages.Loaded(load.artifact)
        try:
            call.begin()
            self._clock.watch(call)
            with running(call):
                answer = self._smoke_test(call, skill, load)
        except DaemonError as error:
            answer = messages.Loaded(load.artifact, metadata_failure=failure(error))
        finally:
            self._clock.release(call)
            call.end()
            self._zombies.discard(call)
        if call.settle():
            del self._rehearsals[call]
            self._send(answer)

    def _smoke_test(self, call: Call, skill: Loaded, load: messages.Load) -> messages.Loaded:
        """Make an instance and read its metadata. Raises DaemonError for what the metadata did."""
        try:
            instance = skill.instantiate(memory=load.memory, call=call)
        except DaemonError as error:
            self._skills.pop(load.artifact, None)
            return messages.Loaded(load.artifact, failure=failure(error))
        try:
            metadata = describe.describe(call, skill, instance)
        finally:
            instance.close()
        return messages.Loaded(load.artifact, metadata=metadata)


def failure(error: DaemonError) -> Failure:
    """Return an error as the value that travels."""
    return Failure(error.kind.value, error.detail, error.retry_after)
