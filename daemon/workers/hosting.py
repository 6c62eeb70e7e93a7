"""
Answers what guests ask of their host, in the background of their calls.

The context of a call is made with its first question and closed with its end. Leaves out what an
answer takes (`csi/context`) and what becomes of the worker meanwhile (`supervisor`).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from daemon.csi import interface as csi
from daemon.csi.context import Emit, HostContext
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Failure
from daemon.tasks import Tasks
from daemon.workers.calls import Call
from daemon.workers.messages import Answer, HostCall

_log = logging.getLogger(__name__)

HostFactory = Callable[[csi.Caller, Emit], HostContext]
"""Makes what answers the host calls of one invocation."""


class Hosting:
    """The host calls of all invocations. Owned by the supervisor."""

    def __init__(self, factory: HostFactory) -> None:
        self._factory = factory
        self._closing = Tasks()

    def ask(self, call: Call, question: HostCall, *, answered: Callable[[Answer], None]) -> None:
        """
        Answer *question* in the background, for as long as *call* lasts.

        *answered* gets the answer; nobody does once the call has ended.
        """
        if call.host is None:
            call.host = self._open(call)
        # No `Tasks` owns it but its call: `dismiss` cancels it there.
        task = asyncio.get_running_loop().create_task(
            _ask(call, call.host, question), name=f"host call of {call.skill}"
        )
        call.requests[question.request] = task

        def finished(done: asyncio.Task[csi.Reply]) -> None:
            if done.cancelled():
                return
            answer = _answer_of(call, question.request, done)
            if call.admitted:
                del call.requests[question.request]
                answered(answer)

        task.add_done_callback(finished)

    def _open(self, call: Call) -> HostContext:
        """A guest acts in the namespace of its Skill, whoever called it."""
        invocation = call.invocation
        caller = replace(
            invocation.caller, namespace=invocation.path.namespace, deadline=call.deadline
        )
        return self._factory(caller, call.emit)

    def dismiss(self, call: Call) -> None:
        """The call has ended: cancel what is still asked, and close its streams."""
        if call.host is not None:
            closing = _close(call.host, list(call.requests.values()))
            self._closing.spawn(closing, name=f"close host of {call.skill}")

    async def close(self) -> None:
        """Wait for nothing: end what is still being closed."""
        await self._closing.close()


async def _ask(call: Call, host: HostContext, question: HostCall) -> csi.Reply:
    reply = await host.answer(question.body)
    await call.room()
    return reply


async def _close(host: HostContext, asked: list[asyncio.Task[csi.Reply]]) -> None:
    for task in asked:
        task.cancel()
    if asked:
        await asyncio.wait(asked)
    await host.close()


def _answer_of(call: Call, request: int, task: asyncio.Task[csi.Reply]) -> Answer:
    error = task.exception()
    if error is None:
        return Answer(call.number, request, reply=task.result())
    if isinstance(error, DaemonError):
        failure = Failure(error.kind.value, error.detail, error.retry_after)
    else:
        _log.error("a host call of %s failed for a bug of ours", call.skill, exc_info=error)
        failure = Failure(ErrorKind.INTERNAL.value, "the host has a bug and could not answer")
    return Answer(call.number, request, failure=failure)
