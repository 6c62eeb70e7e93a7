"""Whatever is lowered is lifted again as it was, for every type that WIT can build here."""

import ctypes
import struct
from ctypes import addressof, string_at
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine import capi
from daemon.engine.codec import VALUE, lifter, lowerer
from daemon.engine.wit import (
    BYTES,
    F64,
    STRING,
    U32,
    Enumeration,
    List,
    Option,
    Record,
    Result,
    Scalar,
    Type,
    Variant,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_NAMES = st.lists(st.sampled_from(["a", "b-c", "d", "e"]), min_size=1, max_size=4, unique=True)
_SCALARS: dict[Scalar, st.SearchStrategy[Any]] = {
    Scalar.BOOL: st.booleans(),
    Scalar.U8: st.integers(0, 2**8 - 1),
    Scalar.S16: st.integers(-(2**15), 2**15 - 1),
    Scalar.U32: st.integers(0, 2**32 - 1),
    Scalar.U64: st.integers(0, 2**64 - 1),
    Scalar.S64: st.integers(-(2**63), 2**63 - 1),
    Scalar.F64: st.floats(allow_nan=False),
    Scalar.STRING: _TEXT,
}


def _compound(parts: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    maybe = st.none() | parts
    pairs = _NAMES.flatmap(
        lambda names: st.tuples(*[maybe for _ in names]).map(
            lambda kinds: tuple(zip(names, kinds, strict=True))
        )
    )
    fields = pairs.map(lambda found: tuple((name, kind or U32) for name, kind in found))
    return (
        st.builds(List, parts)
        | st.builds(Option, parts)
        | st.builds(Result, maybe, maybe)
        | st.builds(Record, fields)
        | st.builds(Variant, pairs)
    )


_TYPES = st.recursive(
    st.sampled_from([*_SCALARS, BYTES, Enumeration(("one", "two"))]), _compound, max_leaves=8
)


def _values(kind: Type) -> st.SearchStrategy[Any]:
    match kind:
        case Scalar():
            return _SCALARS[kind]
        case List(element):
            return (
                st.binary(max_size=20) if kind == BYTES else st.lists(_values(element), max_size=3)
            )
        case Option(payload):
            return st.none() | _values(payload).filter(lambda value: value is not None)
        case Result(ok, err):
            return st.tuples(st.just(True), _maybe(ok)) | st.tuples(st.just(False), _maybe(err))
        case Enumeration(names):
            return st.sampled_from(names)
        case _:
            return _composed(kind)


def _composed(kind: Type) -> st.SearchStrategy[Any]:
    match kind:
        case Record(fields):
            return st.tuples(*[_values(one) for _, one in fields])
        case Variant(cases):
            return st.one_of([st.tuples(st.just(name), _maybe(one)) for name, one in cases])
    raise AssertionError(kind)


def _maybe(kind: Type | None) -> st.SearchStrategy[Any]:
    return st.none() if kind is None else _values(kind)


def _round_trip(kind: Type, value: Any) -> Any:
    place = ctypes.create_string_buffer(VALUE)
    try:
        lowerer(kind)(addressof(place), value)
        return lifter(kind)(string_at(place, VALUE), 0)
    finally:
        capi.val_delete(addressof(place))


@given(data=st.data())
def test_what_is_lowered_is_lifted_again(data: st.DataObject) -> None:
    """For types built at random, and values of them."""
    kind = data.draw(_TYPES)
    value = data.draw(_values(kind))

    assert _round_trip(kind, value) == value


@pytest.mark.parametrize("size", [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 300_000])
def test_bytes_of_every_size_pass_the_slices(size: int) -> None:
    """Byte lists are moved in slices: their seams must not show."""
    value = bytes(index % 251 for index in range(size))

    assert _round_trip(BYTES, value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (U32, -1),
        (U32, 2**32),
        (U32, "1"),
        (Scalar.U8, 256),
        (F64, "x"),
        (STRING, "\ud800"),
        (Enumeration(("one",)), "two"),
        (List(U32), [1, -1, 2]),
        (Option(STRING), "\ud800"),
        (Result(STRING, None), (True, "\ud800")),
        (Record((("a", STRING), ("b", U32))), ("text", -1)),
        (Record((("a", U32), ("b", U32))), (1,)),
        (Variant((("a", STRING),)), ("b", None)),
        (Variant((("a", U32),)), ("a", -1)),
    ],
)
def test_values_that_do_not_fit_are_refused_and_leave_something_deletable(
    kind: Type, value: Any
) -> None:
    """Wrapping silently, or freeing what was never there, would be worse than an error."""
    with pytest.raises((ValueError, KeyError, struct.error)):
        _round_trip(kind, value)


def test_a_type_that_no_world_uses_is_refused() -> None:
    """There is nothing to read it with."""
    with pytest.raises(TypeError):
        lifter(Scalar.OTHER)
    with pytest.raises(TypeError):
        lowerer(Scalar.CHAR)


def test_types_that_guests_cannot_tell_apart_may_become_different_things() -> None:
    """Equality of types is the guest's; what a record becomes is ours."""
    pair = Record((("a", U32), ("b", U32)))
    total = Record(pair.fields, make=lambda a, b: a + b, take=lambda value: (value, 0))

    assert pair == total
    assert _round_trip(pair, (1, 2)) == (1, 2)
    assert _round_trip(total, 3) == 3
