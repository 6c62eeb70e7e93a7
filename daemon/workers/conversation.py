"""
What a guest and the parent say to each other during one call: host calls, events, credit.

Leaves out the frames on their way (`link`) and what the guest computes (`engine`).
"""

from queue import Empty, SimpleQueue

from daemon.csi.interface import Reply, Request
from daemon.engine.call import Call
from daemon.engine.order import Order
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, MessageEnd, Reasoning, StreamEvent
from daemon.workers import messages
from daemon.workers.link import Send

_LONGEST_WAIT = 3600.0  # of one look at the clock, not of the call


class Conversation:
    """The `Host` of one call. Its thread asks; the reader's thread delivers."""

    def __init__(self, *, send: Send, credit: int, output: int) -> None:
        """*output*: how many bytes all events may hold together."""
        self._send = send
        self._credit = credit
        self._room = output
        self._cap = output
        self._requests = 0
        self._order = Order()
        self._inbox: SimpleQueue[messages.Answer | messages.Credit | None] = SimpleQueue()

    def deliver(self, message: messages.Answer | messages.Credit | None) -> None:
        """Hand over what the parent said; None wakes the call to look at its stop flag."""
        self._inbox.put(message)

    def ask(self, call: Call, request: Request) -> Reply:
        """See `Host`."""
        self._requests += 1
        number = self._requests
        self._send(messages.HostCall(call.number, number, request))
        while True:
            message = self._next(call)
            if isinstance(message, messages.Answer) and message.request == number:
                return _reply(message)

    def emit(self, call: Call, event: StreamEvent) -> None:
        """See `Host`. Waits while the reader has given no credit."""
        error = call.verdict()
        if error is not None:
            raise error
        self._order.check(event)
        self._room -= _size(event)
        if self._room < 0:
            raise DaemonError(
                ErrorKind.OUTPUT_TOO_LARGE,
                f"The Skill's stream is over the limit of {self._cap} bytes.",
            )
        if self._credit == 0:
            with call.waiting():
                while self._credit == 0:
                    self._next(call)
        self._credit -= 1
        self._send(messages.Event(call.number, event))

    def _next(self, call: Call) -> messages.Answer | None:
        """Wait for a message; take credit on the way. Raises DaemonError if the call has to end."""
        try:
            message = self._inbox.get(timeout=min(call.remaining, _LONGEST_WAIT))
        except Empty:
            message = None
        error = call.verdict()
        if error is not None:
            raise error
        if isinstance(message, messages.Credit):
            self._credit += message.events
            return None
        return message


def _reply(answer: messages.Answer) -> Reply:
    if answer.failure is not None:
        failure = answer.failure
        raise DaemonError(ErrorKind(failure.kind), failure.message, retry_after=failure.retry_after)
    if answer.reply is None:
        raise DaemonError(ErrorKind.INTERNAL, "The host answered with neither reply nor failure.")
    return answer.reply


def _size(event: StreamEvent) -> int:
    match event:
        case MessageAppend(text) | Reasoning(text):
            return len(text)
        case MessageEnd(payload):
            return len(payload or b"")
    return 0
