"""
Moves values between Python and wasmtime's dynamic values, with each type resolved only once.

`lifter(type)` and `lowerer(type)` return closures that know where everything lies. A value of
the C API is 32 bytes: its kind, then at 8 a number, a pointer, or size and pointer of its parts.
Lifting only reads. Lowering leaves a value that may be deleted at every moment, so that an error
midway leaks nothing. Leaves out what the values mean (`worlds`).
"""

import ctypes
from collections.abc import Callable
from ctypes import memmove, memset, string_at
from struct import Struct
from typing import Any

from daemon.engine import capi
from daemon.engine.wit import (
    BYTES,
    STRING,
    Enumeration,
    List,
    Option,
    Record,
    Resource,
    Result,
    Scalar,
    Type,
    Variant,
)

VALUE = 32
_ENTRY = 48  # of a record: 16 for the name, then the value

_KIND_U8, _KIND_STRING, _KIND_LIST, _KIND_RECORD = 2, 12, 13, 14
_KIND_VARIANT, _KIND_ENUM, _KIND_OPTION, _KIND_RESULT, _KIND_RESOURCE = 16, 17, 18, 19, 21
_NUMBERS = {
    Scalar.BOOL: (0, "?"),
    Scalar.S8: (1, "b"),
    Scalar.U8: (_KIND_U8, "B"),
    Scalar.S16: (3, "h"),
    Scalar.U16: (4, "H"),
    Scalar.S32: (5, "i"),
    Scalar.U32: (6, "I"),
    Scalar.S64: (7, "q"),
    Scalar.U64: (8, "Q"),
    Scalar.F32: (9, "f"),
    Scalar.F64: (10, "d"),
}

_POINTER = Struct("<Q")
_SIZED = Struct("<QQ")  # size, pointer
_SLICE = 64 << 10  # list<u8> is moved in slices that fit the cache

_FALSE = ctypes.create_string_buffer(VALUE)  # kind 0 is bool: false needs no deleting
_FALSE_AT = ctypes.addressof(_FALSE)

Lift = Callable[[bytes, int], Any]
"""(the bytes that hold the value, where in them) -> the value."""
Lower = Callable[[int, Any], None]
"""(address of a value that needs no deleting, the value)."""


# Lifting ------------------------------------------------------------------------------------


def lifter(kind: Type) -> Lift:
    """Return what reads values of this type."""
    return _LIFTERS[type(kind)](kind)


def _lift_scalar(kind: Scalar) -> Lift:
    if kind is STRING:
        return _lift_text
    if kind not in _NUMBERS:
        raise TypeError(f"no world uses {kind.value}")
    read = Struct("<" + _NUMBERS[kind][1]).unpack_from

    def lift(buffer: bytes, at: int) -> Any:
        return read(buffer, at + 8)[0]

    return lift


def _lift_text(buffer: bytes, at: int) -> str:
    size, data = _SIZED.unpack_from(buffer, at + 8)
    return string_at(data, size).decode()


def size_of(buffer: bytes, at: int) -> int:
    """Return how many bytes a string, or elements a list, is long."""
    size: int = _POINTER.unpack_from(buffer, at + 8)[0]
    return size


def lift_utf8(buffer: bytes, at: int) -> bytes:
    """Read a string without decoding it."""
    size, data = _SIZED.unpack_from(buffer, at + 8)
    return string_at(data, size)


def lift_side(buffer: bytes, at: int) -> tuple[bool, bytes]:
    """Read a result whose sides are lifted apart: is it ok, and what holds its payload."""
    data = _POINTER.unpack_from(buffer, at + 16)[0]
    return bool(buffer[at + 8]), string_at(data, VALUE) if data else b""


def lift_bytes(buffer: bytes, at: int) -> bytes:
    """Read a `list<u8>`."""
    size, data = _SIZED.unpack_from(buffer, at + 8)
    if size <= _SLICE:
        return string_at(data, size * VALUE)[8::VALUE]
    return b"".join(
        string_at(data + start * VALUE, min(_SLICE, size - start) * VALUE)[8::VALUE]
        for start in range(0, size, _SLICE)
    )


def _lift_list(kind: List) -> Lift:
    if kind == BYTES:
        return lift_bytes
    element = lifter(kind.element)

    def lift(buffer: bytes, at: int) -> list[Any]:
        size, data = _SIZED.unpack_from(buffer, at + 8)
        parts = string_at(data, size * VALUE)
        return [element(parts, place) for place in range(0, size * VALUE, VALUE)]

    return lift


def _lift_record(kind: Record) -> Lift:
    fields = tuple((lifter(one), index * _ENTRY + 16) for index, (_, one) in enumerate(kind.fields))
    size, make = len(fields) * _ENTRY, kind.make

    def lift(buffer: bytes, at: int) -> Any:
        parts = string_at(_POINTER.unpack_from(buffer, at + 16)[0], size)
        return make(*[read(parts, place) for read, place in fields])

    return lift


def _lift_variant(kind: Variant) -> Lift:
    cases = {
        name.encode(): (name, None if one is None else lifter(one)) for name, one in kind.cases
    }
    make = kind.make

    def lift(buffer: bytes, at: int) -> Any:
        size, data = _SIZED.unpack_from(buffer, at + 8)
        name, read = cases[string_at(data, size)]
        if read is None:
            return make(name, None)
        return make(name, read(string_at(_POINTER.unpack_from(buffer, at + 24)[0], VALUE), 0))

    return lift


def _lift_enum(kind: Enumeration) -> Lift:
    names = {name.encode(): name for name in kind.cases}

    def lift(buffer: bytes, at: int) -> str:
        size, data = _SIZED.unpack_from(buffer, at + 8)
        return names[string_at(data, size)]

    return lift


def _lift_option(kind: Option) -> Lift:
    payload = lifter(kind.payload)

    def lift(buffer: bytes, at: int) -> Any:
        data = _POINTER.unpack_from(buffer, at + 8)[0]
        return payload(string_at(data, VALUE), 0) if data else None

    return lift


def _lift_result(kind: Result) -> Lift:
    sides = (kind.err and lifter(kind.err), kind.ok and lifter(kind.ok))

    def lift(buffer: bytes, at: int) -> tuple[bool, Any]:
        is_ok = bool(buffer[at + 8])
        read, data = sides[is_ok], _POINTER.unpack_from(buffer, at + 16)[0]
        return is_ok, read(string_at(data, VALUE), 0) if read else None

    return lift


def _lift_resource(buffer: bytes, at: int) -> int:
    handle: int = _POINTER.unpack_from(buffer, at + 8)[0]
    return handle


# Lowering -----------------------------------------------------------------------------------


def lowerer(kind: Type) -> Lower:
    """Return what writes values of this type."""
    return _LOWERERS[type(kind)](kind)


_pack_kind = Struct("<Q").pack
_pack_pointer = Struct("<B7xQ16x").pack
_pack_result = Struct("<B7x?7xQ8x").pack
_pack_variant = Struct("<Q").pack


def _lower_scalar(kind: Scalar) -> Lower:
    if kind is STRING:
        return lower_text
    if kind not in _NUMBERS:
        raise TypeError(f"no world uses {kind.value}")
    number, code = _NUMBERS[kind]
    pack = Struct(f"<B7x{code}").pack
    size = Struct(f"<B7x{code}").size

    def lower(at: int, value: Any) -> None:
        memmove(at, pack(number, value), size)

    return lower


def lower_utf8(at: int, value: bytes) -> None:
    """Write a string given as bytes, which must be UTF-8: others would abort the process."""
    capi.bytes_new(at + 8, len(value), value)
    memmove(at, _pack_kind(_KIND_STRING), 8)


def lower_text(at: int, value: str) -> None:
    """Write a string. Raises UnicodeEncodeError for lone surrogates."""
    lower_utf8(at, value.encode())


def lower_bytes(at: int, value: bytes) -> None:
    """Write a `list<u8>`."""
    size = len(value)
    data = _lower_empty_list(at, size)
    for start in range(0, size, _SLICE):
        part = value[start : start + _SLICE]
        values = bytearray(len(part) * VALUE)
        values[0::VALUE] = bytes([_KIND_U8]) * len(part)
        values[8::VALUE] = part
        memmove(data + start * VALUE, bytes(values), len(values))


def _lower_empty_list(at: int, size: int) -> int:
    """Write a list of *size* times false; return where its elements lie."""
    capi.list_uninit(at + 8, size)
    data: int = _POINTER.unpack(string_at(at + 16, 8))[0]
    memset(data, 0, size * VALUE)
    memmove(at, _pack_kind(_KIND_LIST), 8)
    return data


def _lower_list(kind: List) -> Lower:
    if kind == BYTES:
        return lower_bytes
    element = lowerer(kind.element)

    def lower(at: int, value: Any) -> None:
        place = _lower_empty_list(at, len(value))
        for one in value:
            element(place, one)
            place += VALUE

    return lower


def _lower_record(kind: Record) -> Lower:
    fields = tuple(
        (lowerer(one), index * _ENTRY + 16) for index, (_, one) in enumerate(kind.fields)
    )
    take, blank = kind.take, _blank_record(tuple(name for name, _ in kind.fields))
    blank_at = ctypes.addressof(blank)

    def lower(at: int, value: Any, _keep: Any = blank) -> None:
        capi.val_clone(blank_at, at)
        data = _POINTER.unpack(string_at(at + 16, 8))[0]
        for (write, place), one in zip(fields, take(value), strict=True):
            write(data + place, one)

    return lower


def _blank_record(names: tuple[str, ...]) -> Any:
    """A record with these names and only `false` in it; lives as long as the process."""
    blank = ctypes.create_string_buffer(VALUE)
    at = ctypes.addressof(blank)
    capi.record_uninit(at + 8, len(names))
    data = _POINTER.unpack(string_at(at + 16, 8))[0]
    memset(data, 0, len(names) * _ENTRY)
    for index, name in enumerate(names):
        encoded = name.encode()
        capi.bytes_new(data + index * _ENTRY, len(encoded), encoded)
    memmove(at, _pack_kind(_KIND_RECORD), 8)
    return blank


def _lower_variant(kind: Variant) -> Lower:
    cases = {
        name: (name.encode(), None if one is None else lowerer(one)) for name, one in kind.cases
    }
    take = kind.take

    def lower(at: int, value: Any) -> None:
        name, payload = take(value)
        encoded, write = cases[name]
        capi.bytes_new(at + 8, len(encoded), encoded)
        box = capi.val_new(_FALSE_AT) if write is not None else 0
        memmove(at + 24, _pack_variant(box), 8)
        memmove(at, _pack_kind(_KIND_VARIANT), 8)
        if write is not None:
            write(box, payload)

    return lower


def _lower_enum(kind: Enumeration) -> Lower:
    names = {name: name.encode() for name in kind.cases}

    def lower(at: int, value: str) -> None:
        encoded = names[value]
        capi.bytes_new(at + 8, len(encoded), encoded)
        memmove(at, _pack_kind(_KIND_ENUM), 8)

    return lower


def _lower_option(kind: Option) -> Lower:
    payload = lowerer(kind.payload)
    nothing = _pack_pointer(_KIND_OPTION, 0)

    def lower(at: int, value: Any) -> None:
        if value is None:
            memmove(at, nothing, VALUE)
            return
        box = capi.val_new(_FALSE_AT)
        memmove(at, _pack_pointer(_KIND_OPTION, box), VALUE)
        payload(box, value)

    return lower


def _lower_result(kind: Result) -> Lower:
    sides = (kind.err and lowerer(kind.err), kind.ok and lowerer(kind.ok))

    def lower(at: int, value: tuple[bool, Any]) -> None:
        is_ok, payload = value
        write = sides[is_ok]
        box = capi.val_new(_FALSE_AT) if write else 0
        memmove(at, _pack_result(_KIND_RESULT, is_ok, box), VALUE)
        if write:
            write(box, payload)

    return lower


def lower_resource(at: int, handle: int) -> None:
    """Write an owned handle, which then belongs to the value."""
    memmove(at, _pack_pointer(_KIND_RESOURCE, handle), VALUE)


_LIFTERS: dict[type, Callable[[Any], Lift]] = {
    Scalar: _lift_scalar,
    List: _lift_list,
    Record: _lift_record,
    Variant: _lift_variant,
    Enumeration: _lift_enum,
    Option: _lift_option,
    Result: _lift_result,
    Resource: lambda _kind: _lift_resource,
}
_LOWERERS: dict[type, Callable[[Any], Lower]] = {
    Scalar: _lower_scalar,
    List: _lower_list,
    Record: _lower_record,
    Variant: _lower_variant,
    Enumeration: _lower_enum,
    Option: _lower_option,
    Result: _lower_result,
    Resource: lambda _kind: lower_resource,
}
