"""
What a streaming Skill says, as server-sent events. Pure; the exact bytes are the contract.

`data` is one line of compact JSON, so an event is always `event: NAME`, `data: …`, blank line.
"""

from collections.abc import Mapping

import msgspec

from daemon.errors import DaemonError
from daemon.skill import (
    MessageAppend,
    MessageBegin,
    MessageEnd,
    Reasoning,
    StreamEvent,
    ToolBegin,
    ToolEnd,
    ToolFailed,
)

HEARTBEAT = b":\n\n"
"""A comment: clients skip it, proxies see that the stream lives."""

HEADERS: Mapping[str, str] = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}

_encode = msgspec.json.Encoder().encode


def event(name: str, data: object) -> bytes:
    """One event; *data* is anything that JSON can hold, or raw JSON in it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))


def error(failure: DaemonError) -> bytes:
    """The last event of a stream that failed."""
    return event("error", {"message": failure.detail, "code": failure.kind.value})


def encode(item: StreamEvent) -> bytes:
    """The event of one item."""
    data: dict[str, object]
    match item:
        case MessageAppend(text):
            name, data = "message", {"type": "append", "text": text}
        case MessageBegin():
            name, data = "message", {"type": "begin"}
        case MessageEnd(payload):
            name, data = "message", {"type": "end", "payload": _json(payload)}
        case Reasoning(text):
            name, data = "reasoning", {"type": "reasoning", "text": text}
        case ToolBegin(tool):
            name, data = "tool", {"type": "begin", "name": tool}
        case ToolEnd(tool):
            name, data = "tool", {"type": "end", "name": tool}
        case ToolFailed(tool, message):
            name, data = "tool", {"type": "error", "name": tool, "message": message}
    return event(name, data)


def _json(payload: bytes | None) -> object:
    """JSON text as it is, but on one line: a line break in it would end the event."""
    if payload is None:
        return None
    if b"\n" in payload or b"\r" in payload:
        payload = msgspec.json.format(payload, indent=-1)
    return msgspec.Raw(payload)
