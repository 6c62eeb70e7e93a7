"""
What a worker does with each message from its parent.

Messages are handled on the thread that reads them and must not wait there; whatever takes long
gets a thread of its own. Leaves out the process around it (`main`).
"""

import threading
import time
from collections.abc import Callable
from functools import partial

from daemon.engine import describe, execute
from daemon.engine.call import Call, running
from daemon.engine.clock import Clock
from daemon.engine.gate import Gate
from daemon.engine.loaded import Loaded, Loader
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Failure, SkillKind, World
from daemon.workers import messages
from daemon.workers.conversation import Conversation
from daemon.workers.link import Send
from daemon.workers.resident import resident
from daemon.workers.threads import Threads


class Worker:
    """Owns the artifacts and the calls of this process."""

    def __init__(self, *, send: Send, leave: Callable[[], None]) -> None:
        """*leave* ends the process, once nothing runs after `Drain`."""
        self._send = send
        self._leave = leave
        self._loader = Loader()
        self._gate = Gate()
        self._threads = Threads()
        self._skills: dict[str, Loaded] = {}
        self._calls: dict[int, tuple[Call, Conversation]] = {}
        self._zombies: set[Call] = set()
        self._draining = False
        self._clock = Clock(
            gate=self._gate, advance=self._loader.advance_epoch, give_up=self._give_up
        )
        self._clock.start()

    def handle(self, message: messages.ToWorker) -> None:
        """Do what the parent says."""
        match message:
            case messages.Run():
                self._start(message)
            case messages.Answer(call) | messages.Credit(call):
                if (found := self._calls.get(call)) is not None:
                    found[1].deliver(message)
            case messages.Cancel(call):
                if (found := self._calls.get(call)) is not None:
                    found[0].stop(DaemonError(ErrorKind.CANCELLED, "The call was cancelled."))
            case messages.Load():
                self._threads.run(partial(self._load, message))
            case messages.Unload(artifact):
                self._skills.pop(artifact, None)
            case messages.Ping(number):
                self._send(self._pong(number))
            case messages.Drain():
                self.drain()

    def drain(self) -> None:
        """Leave as soon as nothing runs."""
        self._draining = True
        if not self._calls:
            self._leave()

    def _pong(self, number: int) -> messages.Pong:
        return messages.Pong(number, len(self._calls), len(self._zombies), resident())

    # Calls.

    def _start(self, run: messages.Run) -> None:
        conversation = Conversation(send=self._send, credit=run.credit, output=run.output)
        call = Call(number=run.call, timeout=run.timeout, gate=self._gate, host=conversation)
        call.wake = partial(conversation.deliver, None)
        self._calls[run.call] = call, conversation
        self._threads.run(partial(self._serve, call, run))

    def _serve(self, call: Call, run: messages.Run) -> None:
        before = time.thread_time()
        try:
            skill = self._skills.get(run.artifact)
            if skill is None:
                raise DaemonError(ErrorKind.INTERNAL, "The worker has not loaded this Skill.")
            self._execute(call, skill, run)
        except DaemonError as error:
            self._finish(call, messages.Done(call.number, failure=failure(error)))
        finally:
            self._clock.release(call)
            call.end()
            self._zombies.discard(call)
        del before

    def _execute(self, call: Call, skill: Loaded, run: messages.Run) -> None:
        before = time.thread_time()
        call.begin()
        self._clock.watch(call)
        with running(call):
            instance = skill.instantiate(memory=run.memory, call=call)
            try:
                output = execute.run(call, skill, instance, text=run.input, cap=run.output)
                done = messages.Done(
                    call.number,
                    output=output,
                    cpu=time.thread_time() - before,
                    wall=time.monotonic() - call.received,
                )
                self._finish(call, done)
            finally:
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
        if error is not None and call.settle():
            self._zombies.add(call)
            done = messages.Done(call.number, failure=failure(error))
            self._threads.run(partial(self._report, call, done))

    # Artifacts.

    def _load(self, load: messages.Load) -> None:
        try:
            skill = self._loader.load(
                world=World(load.world),
                kind=SkillKind(load.kind),
                path=load.component,
                shared=load.shared,
                strings=load.strings,
            )
        except DaemonError as error:
            self._send(messages.Loaded(load.artifact, failure=failure(error)))
            return
        self._skills[load.artifact] = skill
        self._send(messages.Loaded(load.artifact))


def failure(error: DaemonError) -> Failure:
    """Return an error as the value that travels."""
    return Failure(error.kind.value, error.detail, error.retry_after)
