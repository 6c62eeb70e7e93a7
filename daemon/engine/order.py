"""
The order in which a streaming Skill must speak. Pure: events in, errors out.

begin, then any number of appends and reasonings, then end; again and again. A Skill may stop in
the middle of a message.
"""

import msgspec

from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, Reasoning, StreamEvent

_BUG = "This is a bug in the Skill: please contact its developer."


class Order:
    """Where the stream of one call stands. Owned by that call."""

    def __init__(self) -> None:
        self._active = False

    def check(self, event: StreamEvent) -> None:
        """Take the next event. Raises DaemonError STREAM_ORDER or INVALID_OUTPUT."""
        match event:
            case MessageBegin():
                if self._active:
                    raise _broken("a message begin while the previous message has not ended")
                self._active = True
            case MessageAppend():
                self._require("a message append")
            case Reasoning():
                self._require("reasoning")
            case MessageEnd(payload):
                self._require("a message end")
                if payload is not None:
                    check_json(payload)
                self._active = False

    def _require(self, what: str) -> None:
        if not self._active:
            raise _broken(f"{what} without a message begin before it")


def _broken(what: str) -> DaemonError:
    return DaemonError(ErrorKind.STREAM_ORDER, f"The Skill sent {what}. {_BUG}")


def check_json(text: bytes) -> None:
    """Raise DaemonError INVALID_OUTPUT unless *text* is exactly one JSON value in UTF-8."""
    try:
        if not text.isascii():
            text.decode()
        msgspec.json.decode(text, type=msgspec.Raw)
    except UnicodeDecodeError as error:
        raise _not_json(f"byte {error.start} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _not_json(f"it is not JSON: {error}") from error


def _not_json(cause: str) -> DaemonError:
    return DaemonError(
        ErrorKind.INVALID_OUTPUT,
        f"The output of the Skill can't be interpreted. {_BUG} Caused by: \n\n{cause}",
    )
