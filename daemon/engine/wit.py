"""
WIT types as plain values, with what each is in Python. Pure: no wasmtime, no bytes.

Two types are equal when a guest can't tell them apart: names and order count, `make` and `take`
(how a record becomes a struct, and back) do not. In Python a record is a tuple of its fields
unless it says otherwise, a variant a pair (case, payload), an enum its case, an option a value
or None, a result a pair (is ok, payload), `list<u8>` bytes, a resource the address of its handle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Any

import msgspec


class Scalar(Enum):
    """Types without parts. Values are WIT's names."""

    BOOL = "bool"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    S8 = "s8"
    S16 = "s16"
    S32 = "s32"
    S64 = "s64"
    F32 = "f32"
    F64 = "f64"
    CHAR = "char"
    STRING = "string"
    OTHER = "another type"  # nothing that our worlds use


BOOL, U8, U32, U64, S64 = Scalar.BOOL, Scalar.U8, Scalar.U32, Scalar.U64, Scalar.S64
F64, STRING, OTHER = Scalar.F64, Scalar.STRING, Scalar.OTHER


@dataclass(frozen=True, slots=True)
class List:
    """`list<element>`."""

    element: "Type"


@dataclass(frozen=True, slots=True)
class Option:
    """`option<payload>`."""

    payload: "Type"


@dataclass(frozen=True, slots=True)
class Result:
    """`result<ok, err>`; None where a side has no payload."""

    ok: "Type | None"
    err: "Type | None"


def _same(value: Any) -> Any:
    return value


def _pack(*values: Any) -> tuple[Any, ...]:
    return values


@dataclass(frozen=True, slots=True)
class Record:
    """`record { ... }`; *make* takes the fields in order, *take* returns them in order."""

    fields: tuple[tuple[str, "Type"], ...]
    make: Callable[..., Any] = field(default=_pack, compare=False)
    take: Callable[[Any], Sequence[Any]] = field(default=_same, compare=False)


@dataclass(frozen=True, slots=True)
class Variant:
    """`variant { ... }`; *make* takes case and payload, *take* returns them."""

    cases: tuple[tuple[str, "Type | None"], ...]
    make: Callable[[str, Any], Any] = field(default=_pack, compare=False)
    take: Callable[[Any], tuple[str, Any]] = field(default=_same, compare=False)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """`enum { ... }`."""

    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """A handle, owned or borrowed, to one of the host's resources."""

    borrowed: bool


Type = Scalar | List | Option | Result | Record | Variant | Enumeration | Resource

BYTES = List(U8)
OWN, BORROW = Resource(borrowed=False), Resource(borrowed=True)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's parameters and result."""

    parameters: tuple[Type, ...]
    result: Type | None = None


def record(**fields: Type) -> Record:
    """A record whose value is a tuple; `_` in a name stands for WIT's `-`."""
    return Record(_kebab(fields))


def struct(cls: type[msgspec.Struct], **fields: Type) -> Record:
    """A record that becomes *cls*, whose attributes carry the names of the fields."""
    names = tuple(fields)

    def make(*values: Any) -> msgspec.Struct:
        return cls(**dict(zip(names, values, strict=True)))

    read = attrgetter(*names)
    return Record(_kebab(fields), make, read if len(names) > 1 else lambda value: (read(value),))


def enumeration(*cases: str) -> Enumeration:
    """An enum."""
    return Enumeration(cases)


def variant(**cases: Type | None) -> Variant:
    """A variant whose value is a pair; `_` in a name stands for WIT's `-`."""
    return Variant(_kebab(cases))


def _kebab(members: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name.replace("_", "-"), member) for name, member in members.items())
