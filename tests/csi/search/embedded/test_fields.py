"""Metadata is kept under every path by which a filter may name it."""

import pytest

from daemon.csi.search.embedded.fields import Field, fields, instant
from daemon.errors import DaemonError, ErrorKind


def test_nested_values_are_found_by_path_index_and_wildcard() -> None:
    """`a[].b` is any element, `a[1].b` the second."""
    found = fields(b'{"a": [{"b": 1}, {"b": "x"}], "c": {"d": true}}')

    assert {(one.path, one.kind, one.value) for one in found if one.kind != "structure"} == {
        ("a[].b", "number", 1),
        ("a[0].b", "number", 1),
        ("a[].b", "string", "x"),
        ("a[1].b", "string", "x"),
        ("c.d", "boolean", 1),
    }


def test_null_is_the_same_as_missing() -> None:
    """So `is-null` asks for a missing row."""
    assert fields(b'{"a": null}') == fields(b"{}") == [Field("", "structure", 0)]
    assert fields(None) == []


def test_times_are_compared_across_zones() -> None:
    """To the microsecond."""
    assert instant("2024-05-01T12:00:00Z") == instant("2024-05-01t14:00:00+02:00")
    assert instant("1970-01-01T00:00:00.000001Z") == 1
    assert instant("1969-12-31T23:59:59Z") == -1_000_000


@pytest.mark.parametrize("text", ["", "2024-05-01", "2024-05-01T12:00:00", "2024-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(text: str) -> None:
    """A time without its zone is no moment."""
    assert instant(text) is None


def test_integers_beyond_64_bits_become_floats() -> None:
    """The database knows no others."""
    assert fields(b"18446744073709551616") == [Field("", "number", 2.0**64)]


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"\xff",
        b'{"a": "\xff"}',
        b"[" * 9 + b"1" + b"]" * 9,
        b"[" * 100_000 + b"]" * 100_000,
        b"1" + b"0" * 400,
        b"1" + b"0" * 5000,
        b"1e999",
        b"NaN",
    ],
)
def test_what_cannot_be_kept_is_refused(text: bytes) -> None:
    """With the reason."""
    with pytest.raises(DaemonError, match="metadata") as caught:
        fields(text)

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


def test_the_number_of_values_is_bounded() -> None:
    """A list of lists grows quickly."""
    with pytest.raises(DaemonError, match="more than"):
        fields(b"[" + b",".join(b"%d" % n for n in range(10_001)) + b"]")


@pytest.mark.parametrize(
    "text",
    [
        b'{"' + b"k" * 1_000_000 + b'": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}',
        b'[[["' + b"x" * 2_000_000 + b'"]]]',
    ],
)
def test_long_names_and_texts_are_not_multiplied_without_bound(text: bytes) -> None:
    """Each element of a list is kept twice, with its whole path."""
    with pytest.raises(DaemonError, match="more than"):
        fields(text)
