"""
One call as the parent keeps it: who waits for it, what its guest asked, when its time is up.

Two kinds, by who waits: `FunctionCall` for one result, `StreamCall` for events with a reader that
may be slower than the guest. Leaves out workers: the supervisor moves calls between them.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from daemon.csi import interface as csi
from daemon.csi.context import HostContext
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.skill import Artifact, Limits, StreamEvent, ToolBegin, ToolEnd, ToolFailed
from daemon.workers.dispatch import Ticket
from daemon.workers.process import Lost

CREDIT = 32
"""Events of a stream that may lie between a guest and its reader."""

TOOL_EVENTS = (ToolBegin, ToolEnd, ToolFailed)
"""These are ours to send, between those of the guest."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call to be made. `input` is JSON text, checked to be UTF-8: a worker relies on it."""

    path: SkillPath
    artifact: Artifact
    limits: Limits
    input: bytes
    caller: csi.Caller


class Call(Ticket, ABC):
    """
    A call from admission to its end. Owned by the supervisor.

    `touched`: something of it was seen outside, so it can't be tried again. `deadline` is a time
    of the loop's clock, None until it was first given to a worker.
    """

    __slots__ = (
        "cpu",
        "deadline",
        "host",
        "invocation",
        "number",
        "requests",
        "retried",
        "running_since",
        "started",
        "timer",
        "touched",
        "wait_ends",
        "warm",
    )

    def __init__(self, invocation: Invocation, *, number: int, started: float) -> None:
        super().__init__(
            invocation.path, invocation.artifact.id, share=invocation.limits.concurrency
        )
        self.invocation = invocation
        self.number = number
        self.started = started
        self.running_since = started
        self.deadline: float | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.host: HostContext | None = None
        self.requests: dict[int, asyncio.Task[csi.Reply]] = {}
        self.touched = False
        self.retried = False
        self.cpu = 0.0
        self.warm = False

    def emit(self, event: StreamEvent) -> None:
        """Take a tool's event; only streams show them."""

    @abstractmethod
    def conclude(self, output: bytes | None, *, error: DaemonError | None) -> None:
        """Tell who waits: exactly one of *output* (None for streams) and *error* counts."""

    async def room(self) -> None:
        """Wait until the reader has taken enough for the guest to go on."""

    def disarm(self) -> None:
        """Stop the clock."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class FunctionCall(Call):
    """Its caller waits for one result."""

    __slots__ = ("result",)

    def __init__(self, invocation: Invocation, *, number: int, started: float) -> None:
        super().__init__(invocation, number=number, started=started)
        self.result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def conclude(self, output: bytes | None, *, error: DaemonError | None) -> None:
        """See `Call`. A caller who has left needs no answer."""
        if self.result.done():
            return
        if error is not None:
            self.result.set_exception(error)
        else:
            self.result.set_result(output or b"null")


class StreamCall(Call):
    """Its caller reads events, in the order in which they happened."""

    __slots__ = ("_changed", "ended", "error", "events", "lent", "taken")

    def __init__(self, invocation: Invocation, *, number: int, started: float) -> None:
        super().__init__(invocation, number=number, started=started)
        self.events: deque[StreamEvent] = deque()
        self.lent = 0  # the guest's events that lie here
        self.taken = 0  # those taken, for which the worker has no new credit yet
        self.ended = False
        self.error: DaemonError | None = None
        self._changed: list[asyncio.Future[None]] = []

    def push(self, event: StreamEvent) -> bool:
        """Take an event of the guest; False if it has no credit for it, or it is not the guest's"""
        if self.lent >= CREDIT or isinstance(event, TOOL_EVENTS):
            return False
        self.lent += 1
        self.emit(event)
        return True

    def emit(self, event: StreamEvent) -> None:
        """Queue an event for the reader."""
        self.events.append(event)
        self._wake()

    def take(self) -> StreamEvent:
        """Hand the next event to the reader. Raises IndexError if there is none."""
        event = self.events.popleft()
        if not isinstance(event, TOOL_EVENTS):
            self.lent -= 1
            self.taken += 1
        self._wake()
        return event

    def credit(self) -> int:
        """Return how many events the worker may be told of as taken; 0 to go on collecting."""
        if self.taken < CREDIT // 2:
            return 0
        taken, self.taken = self.taken, 0
        return taken

    def conclude(self, output: bytes | None, *, error: DaemonError | None) -> None:
        """See `Call`: the reader gets what is queued, then the end or the error."""
        if not self.ended:
            self.ended = True
            self.error = error
            self._wake()

    async def room(self) -> None:
        """See `Call`: tools of an unread stream must not pile up events here."""
        while len(self.events) >= CREDIT and not self.ended:
            await self.changed()

    async def changed(self) -> None:
        """Wait for an event, a taken event or the end."""
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.append(change)
        await change

    def _wake(self) -> None:
        waiting, self._changed = self._changed, []
        for change in waiting:
            if not change.done():
                change.set_result(None)


def shutting_down() -> DaemonError:
    """Nothing new is taken on."""
    return DaemonError(
        ErrorKind.SHUTTING_DOWN, "this replica is shutting down; try again", retry_after=1.0
    )


def not_loaded(call: Call) -> DaemonError:
    """Its artifact was retired between the look-up and now."""
    text = f"{call.skill} has just been replaced; try again"
    return DaemonError(ErrorKind.SKILL_NOT_READY, text, retry_after=1.0)


def not_begun(call: Call, *, waited: float, retry_after: float) -> DaemonError:
    """It was queued for *waited* seconds."""
    text = f"no worker was free for {call.skill} within {waited:g} s; try again later"
    return DaemonError(ErrorKind.OVERLOADED, text, retry_after=retry_after)


def not_finished(call: Call) -> DaemonError:
    """Its time is up."""
    limit = call.invocation.limits.timeout
    text = f"The Skill {call.skill} did not finish within its time limit of {limit:g} s."
    return DaemonError(ErrorKind.DEADLINE_EXCEEDED, text)


def cancelled(call: Call) -> DaemonError:
    """Nobody waits for it."""
    return DaemonError(ErrorKind.CANCELLED, f"the caller of {call.skill} has left")


def worker_lost(call: Call, lost: Lost) -> DaemonError:
    """Its worker died."""
    why = (
        "at its second attempt"
        if call.retried
        else "as others did that ran it, so it was not tried again"
    )
    if call.touched:
        why = "and it may have had effects by then, so it was not tried again"
    text = f"the worker process that ran {call.skill} {lost.reason}, {why}"
    return DaemonError(ErrorKind.WORKER_LOST, text, retry_after=1.0)
