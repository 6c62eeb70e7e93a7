"""
Server-sent events out of bytes, however the bytes are cut. Pure.

Leaves out `id` and `retry`: a stream of a model is never resumed.
"""

from dataclasses import dataclass


class OversizedEventError(ValueError):
    """One event is larger than allowed."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """An event; `type` is `message` unless the stream names it."""

    data: str
    type: str = "message"


class SseParser:
    """Owned by the reader of one stream."""

    def __init__(self, *, max_event: int = 1 << 20) -> None:
        """*max_event* bounds an unfinished event, in bytes."""
        self._max_event = max_event
        self._rest = bytearray()
        self._searched = 0
        self._data: list[bytes] = []
        self._size = 0
        self._type = "message"
        self._started = False
        self._after_cr = False

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Return the events that *piece* completes. Raises OversizedEventError."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")  # the second half of a CRLF
            self._after_cr = False
        self._rest += piece
        events = [event for line in self._lines() if (event := self._line(line)) is not None]
        if self._size + len(self._rest) > self._max_event:
            raise OversizedEventError(f"an event is larger than {self._max_event} bytes")
        return events

    def _lines(self) -> list[bytes]:
        """Take all whole lines. A CR at the very end ends its line at once."""
        rest, start = self._rest, self._searched
        cut = max(rest.rfind(b"\n", start), rest.rfind(b"\r", start)) + 1
        if not cut:
            self._searched = len(rest)
            return []
        text = bytes(rest)
        self._rest = bytearray(text[cut:])
        self._searched = len(self._rest)
        self._after_cr = text.endswith(b"\r")
        return text[:cut].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]

    def _line(self, line: bytes) -> SseEvent | None:
        if not self._started:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value) + 1
            self._data.append(value)
            if self._size > self._max_event:
                raise OversizedEventError(f"an event is larger than {self._max_event} bytes")
        elif name == b"event":
            self._type = value.decode(errors="replace")
        return None

    def _dispatch(self) -> SseEvent | None:
        data, kind = self._data, self._type
        self._data, self._type, self._size = [], "message", 0
        return SseEvent(b"\n".join(data).decode(errors="replace"), kind) if data else None
