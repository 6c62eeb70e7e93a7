"""
How a world's imports are written down: interfaces of host functions, each with its WIT types.

A host function turns the guest's arguments into a request to the host, and the reply into what
the guest gets. Leaves out how both are moved (`codec`) and who answers (`Call.ask`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from daemon.csi import interface as csi
from daemon.engine.call import Call
from daemon.engine.wit import BORROW, OWN, Option, Signature, Type
from daemon.errors import DaemonError, ErrorKind

_R = TypeVar("_R")

Serve = Callable[..., Any]
"""(call, arguments...) -> the result. A resource is its representation, a number."""

SKIP = object()
"""Says that an event can't be told in this world, and is left out."""


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A function that guests import."""

    name: str
    signature: Signature
    serve: Serve


@dataclass(frozen=True, slots=True)
class Interface:
    """What guests import under one name. `resources` ask the host to close them when dropped."""

    name: str
    functions: tuple[HostFunction, ...]
    resources: tuple[str, ...] = ()


def function(
    name: str,
    *parameters: Type,
    result: Type,
    ask: Callable[..., csi.Request],
    answer: Callable[[Any], Any],
) -> HostFunction:
    """A function that is one request to the host."""

    def serve(call: Call, *arguments: Any) -> Any:
        return answer(call.ask(ask(*arguments)))

    return HostFunction(name, Signature(parameters, result), serve)


def stream(
    resource: str,
    *,
    request: Type,
    event: Type,
    ask: Callable[[Any], csi.Request],
    tell: Callable[[csi.InferenceEvent], Any],
) -> tuple[HostFunction, HostFunction]:
    """A resource that is opened with a request and read event by event."""

    def construct(call: Call, init: Any) -> int:
        return expect(call.ask(ask(init)), csi.StreamOpened).stream

    def next_event(call: Call, number: int) -> Any:
        while True:
            found = expect(call.ask(csi.NextEvent(number)), csi.StreamNext).event
            told = None if found is None else tell(found)
            if told is not SKIP:
                return told

    return (
        HostFunction(f"[constructor]{resource}", Signature((request,), OWN), construct),
        HostFunction(f"[method]{resource}.next", Signature((BORROW,), Option(event)), next_event),
    )


def expect(reply: object, kind: type[_R]) -> _R:
    """Return *reply* if it is of the kind that the request is answered by."""
    if not isinstance(reply, kind):
        raise DaemonError(
            ErrorKind.INTERNAL, f"{type(reply).__name__} does not answer this request"
        )
    return reply


def items(reply: Any) -> Any:
    """The items of a reply, for functions that take a list."""
    return reply.items


def inexpressible(what: str, world: str) -> DaemonError:
    """The error of an answer that an old world has no words for."""
    return DaemonError(
        ErrorKind.CSI_UPSTREAM,
        f"The model answered with {what}, which WIT world {world} can't express: "
        "build the Skill with a newer SDK, or ask for a plain answer.",
    )
