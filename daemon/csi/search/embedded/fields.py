"""
A document's metadata as rows that a filter can look up. Pure.

Every value is kept under its path: `a.b` for nested objects, `a[1].b` for one element of a list,
`a[].b` for any element. A text that is an RFC 3339 time is kept as a time as well. Null and missing
are the same: no row. Leaves out the conditions (`filters`).
"""

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from daemon.csi.interface import Json
from daemon.errors import DaemonError, ErrorKind

Kind = Literal["string", "number", "boolean", "time", "structure"]

_MAX_ROWS = 10_000
_MAX_CHARACTERS = 10_000_000  # of all rows: each element of a list repeats path and text
_MAX_DEPTH = 8
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LARGEST = sys.float_info.max
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Field:
    """A value at a path; a time is in microseconds since 1970, a structure has the value 0."""

    path: str
    kind: Kind
    value: str | int | float


def fields(metadata: Json | None) -> list[Field]:
    """Flatten *metadata*. Raises DaemonError(CSI_BAD_REQUEST) if it is no JSON or too large."""
    if metadata is None:
        return []
    try:
        value = msgspec.json.decode(metadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(f"the metadata is not JSON: {error}") from error
    except RecursionError as error:
        raise _too_deep() from error
    found: dict[Field, None] = {}
    size = 0
    for field in _flatten("", value, _MAX_DEPTH):
        found[field] = None
        size += len(field.path) + (len(field.value) if isinstance(field.value, str) else 0)
        if len(found) > _MAX_ROWS or size > _MAX_CHARACTERS:
            raise _bad(
                f"the metadata has more than {_MAX_ROWS} values, or more than {_MAX_CHARACTERS} "
                "characters where lists repeat them: make it smaller"
            )
    return list(found)


def instant(text: str) -> int | None:
    """Microseconds since 1970 of an RFC 3339 time; None if it is none."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def number(value: float) -> int | float | None:
    """
    *value* as the database can hold it: integers beyond 64 bits become floats.

    None for what it can't: NaN, which is no number, and integers beyond every float.
    """
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def _flatten(path: str, value: Any, depth: int) -> Iterator[Field]:
    if depth < 0:
        raise _too_deep()
    match value:
        case dict():
            yield Field(path, "structure", 0)
            for key, inner in value.items():
                yield from _flatten(f"{path}.{key}" if path else key, inner, depth - 1)
        case list():
            yield Field(path, "structure", 0)
            for index, inner in enumerate(value):
                yield from _flatten(f"{path}[]", inner, depth - 1)
                yield from _flatten(f"{path}[{index}]", inner, depth - 1)
        case _:
            yield from _leaf(path, value)


def _leaf(path: str, value: Any) -> Iterator[Field]:
    match value:
        case bool():
            yield Field(path, "boolean", int(value))
        case int() | float():
            kept = number(value)
            if kept is None:
                raise _bad(f"the metadata has a number beyond {_LARGEST:.1e}: write it as a text")
            yield Field(path, "number", kept)
        case str():
            yield Field(path, "string", value)
            time = instant(value)
            if time is not None:
                yield Field(path, "time", time)


def _too_deep() -> DaemonError:
    return _bad(f"the metadata is nested deeper than {_MAX_DEPTH} levels: make it flatter")


def _bad(text: str) -> DaemonError:
    return DaemonError(ErrorKind.CSI_BAD_REQUEST, text)
