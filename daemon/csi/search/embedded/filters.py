"""
The filters of a search as a condition on documents, in SQL. Pure.

Values are only ever parameters. A condition holds if any value at its path fulfils it, so with a
wildcard any element of the list; `is-null` holds if there is no value at the path. `with-one-of`
nothing holds for no document, `with-all` and `without` nothing for every one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.csi.interface import MetadataFilter, SearchFilter
from daemon.csi.search.embedded.fields import Kind, instant, number
from daemon.errors import DaemonError, ErrorKind

Value = str | int | float

_MAX_CONDITIONS = 200
_ORDER = {
    "greater-than": ">",
    "greater-than-or-equal-to": ">=",
    "less-than": "<",
    "less-than-or-equal-to": "<=",
    "after": ">",
    "at-or-after": ">=",
    "before": "<",
    "at-or-before": "<=",
}
_TIMES = frozenset({"after", "at-or-after", "before", "at-or-before"})


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL expression over `document.id`, and its parameters."""

    sql: str
    parameters: tuple[Value, ...] = ()


def condition(filters: Sequence[SearchFilter], *, collection: int) -> Condition | None:
    """Put all *filters* together; None if there are none. Raises DaemonError(CSI_BAD_REQUEST)."""
    if sum(1 + len(one.conditions) for one in filters) > _MAX_CONDITIONS:
        raise _bad(f"more than {_MAX_CONDITIONS} filters and conditions in one search: use fewer")
    if not filters:
        return None
    return _join([_filter(one, collection) for one in filters], "AND")


def _filter(one: SearchFilter, collection: int) -> Condition:
    parts = [_metadata(part, collection) for part in one.conditions]
    match one.kind:
        case "with-all":
            return _join(parts, "AND") if parts else Condition("1")
        case "with-one-of":
            return _join(parts, "OR") if parts else Condition("0")
        case "without":
            either = _join(parts, "OR") if parts else Condition("0")
            return Condition(f"NOT {either.sql}", either.parameters)


def _join(parts: Sequence[Condition], operator: str) -> Condition:
    sql = f" {operator} ".join(part.sql for part in parts)
    return Condition(f"({sql})", tuple(value for part in parts for value in part.parameters))


def _metadata(one: MetadataFilter, collection: int) -> Condition:
    if one.comparison == "is-null":
        rows = _rows("", collection, one.field)
        return Condition(f"document.id NOT IN {rows.sql}", rows.parameters)
    kind, value = _operand(one)
    operator = _ORDER.get(one.comparison, "=")
    rows = _rows(f" AND kind = ? AND value {operator} ?", collection, one.field, kind, value)
    return Condition(f"document.id IN {rows.sql}", rows.parameters)


def _rows(test: str, *parameters: Value) -> Condition:
    sql = f"(SELECT document FROM field WHERE collection = ? AND path = ?{test})"
    return Condition(sql, parameters)


def _operand(one: MetadataFilter) -> tuple[Kind, Value]:
    value = one.value
    if one.comparison in _TIMES:
        return "time", _time(one)
    if one.comparison != "equal-to" and (isinstance(value, bool) or not _is_number(value)):
        raise _bad(f"{one.comparison} on {one.field!r} needs a number, not {value!r}")
    match value:
        case bool():
            return "boolean", int(value)
        case int() | float():
            return "number", _number(value, one)
        case str():
            return "string", value
    raise _bad(f"equal-to on {one.field!r} needs a text, a number or a boolean; see is-null")


def _number(value: float, one: MetadataFilter) -> int | float:
    kept = number(value)
    if kept is None:
        raise _bad(f"{one.comparison} on {one.field!r} needs a number that a double can hold")
    return kept


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _time(one: MetadataFilter) -> int:
    time = instant(one.value) if isinstance(one.value, str) else None
    if time is None:
        raise _bad(
            f"{one.comparison} on {one.field!r} needs an RFC 3339 time such as "
            f"'2024-05-01T12:00:00Z', not {one.value!r}"
        )
    return time


def _bad(text: str) -> DaemonError:
    return DaemonError(ErrorKind.CSI_BAD_REQUEST, text)
