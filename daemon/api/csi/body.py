"""
Request bodies of the CSI: from JSON text to shapes, and what a caller hears whose text is wrong.

A shape's `__post_init__` may raise ValueError: its text is then told with the path to the place.
Leaves out the shapes themselves.
"""

from typing import Annotated, TypeVar

import msgspec

from daemon.errors import DaemonError, ErrorKind

U8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]

_T = TypeVar("_T")

BATCH = msgspec.Meta(max_length=10_000)
"""How many requests a list may hold: each costs a task, however short it is."""


class Shape(msgspec.Struct, frozen=True):
    """A JSON object of the contract. Unknown members are ignored."""


def decode(body: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Raises DaemonError: 400 for what is not JSON, 422 with the path for another shape."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise DaemonError(
            ErrorKind.CSI_BAD_REQUEST, f"The request has another shape: {error}."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST, f"The request body is not JSON: {error}."
        ) from error
    except RecursionError as error:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST, "The request body is nested too deeply."
        ) from error


def json(value: msgspec.Raw) -> bytes | None:
    """Any JSON value as its text; None where it is absent or null."""
    text = bytes(value)
    return None if text in {b"", b"null"} else text


def check(value: msgspec.Raw) -> None:
    """Look into a value that passes through, for nobody did yet. Raises ValueError."""
    try:
        msgspec.json.decode(bytes(value) or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Not a JSON value: {error}") from error
