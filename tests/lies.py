"""
What backends may answer that lie: the truth, with any JSON value in any place of it.

And what must become of that: a value that fits the CSI's types, as guests and HTTP are given it,
or an error of the CSI.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st

from daemon.errors import DaemonError

_WORDS = [
    "",
    "stop",
    "length",
    "text",
    "type",
    "<think>",
    "stream_chunk",
    "404",
    "\u0663\u0663\u0663",
]
_NUMBERS = [-1, 2**31, 2**32, 2**63, 2**64, 10**30, 10**400, 1e300]
_NAMES = st.sampled_from(["error", "code", "message", "index", "token", "type"]) | st.text(
    max_size=3
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from([*_WORDS, *_NUMBERS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def lies(draw: st.DrawFn, *truths: Any) -> bytes:
    """One of *truths* as JSON, with one or two of its values replaced."""
    told = draw(st.sampled_from(truths))
    for _ in range(draw(st.integers(1, 2))):
        told = _put(told, draw(st.sampled_from(list(_places(told)))), draw(JSON))
    return json.dumps(told).encode()


def answered_or_refused(answer: Callable[[], Any], kind: Any) -> None:
    """Check that *answer* returns a *kind*, or raises an error of the CSI."""
    try:
        found = answer()
    except DaemonError as error:
        assert error.kind.startswith("csi-"), error
        return
    fits(found, kind)


def fits(found: Any, kind: Any) -> None:
    """Check that *found* reaches guests and callers as the *kind* it should be."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=kind) == found
    json.loads(msgspec.json.encode(found))
    assert all(0 <= number < 2**32 for number in _integers(found))


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inner:
            yield from _places(one, (*at, key))


def _put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[at[0]] = _put(value[at[0]], at[1:], new)
    return changed


def _integers(value: Any) -> Iterator[int]:
    match value:
        case bool():
            return
        case int():
            yield value
        case list():
            for one in value:
                yield from _integers(one)
        case msgspec.Struct():
            yield from _integers([getattr(value, name) for name in value.__struct_fields__])
