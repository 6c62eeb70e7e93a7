"""Reading what strangers wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.component import split, strings, worlds
from daemon.component.binary import (
    COMPONENT,
    Reader,
    SectionId,
    encode_section,
    exports,
    leb,
)
from daemon.component.core_module import UnusualError
from daemon.errors import DaemonError, ErrorKind
from tests.components import HANDLER, echo, exporting

ECHO = echo(padding=20)


def test_exports_are_read_in_order() -> None:
    """Names and what they point to."""
    assert [named.name for named in exports(exporting("a:b/c", HANDLER))] == ["a:b/c", HANDLER]


@given(st.integers(min_value=0, max_value=(1 << 32) - 1))
def test_numbers_survive_encoding(number: int) -> None:
    """LEB128 there and back."""
    assert Reader(leb(number)).u32() == number


@pytest.mark.parametrize(
    "data",
    [b"", b"\0as", b"hello, world", b"\xff" * 100, b"\0asm\x0d\0\x01\0\x0b"],
    ids=["empty", "short", "text", "noise", "cut off"],
)
def test_what_is_no_component_is_said_to_be_none(data: bytes) -> None:
    """Whatever the bytes."""
    with pytest.raises(DaemonError) as caught:
        list(exports(data))

    assert caught.value.kind is ErrorKind.NOT_A_COMPONENT


def test_a_vector_longer_than_the_file_is_refused_at_once() -> None:
    """A count of four billion must not make us wait."""
    with pytest.raises(DaemonError, match="more than bytes left"):
        Reader(leb((1 << 32) - 1) + b"\0" * 10).many(Reader.byte)


def test_numbers_above_32_bits_are_refused() -> None:
    """Indices have 32 bits."""
    with pytest.raises(DaemonError, match="32 bits"):
        Reader(leb(1 << 32)).u32()


def test_a_name_that_is_not_utf8_is_refused() -> None:
    """Names end up in logs and messages."""
    with pytest.raises(DaemonError, match="UTF-8"):
        Reader(b"\x02\xff\xfe").name()


def _read_all(data: bytes) -> None:
    """Do all that is ever done with the bytes of a stranger."""
    for act in (
        lambda: worlds.detect(data),
        lambda: split.split(memoryview(data), threshold=10),
        lambda: strings.bytes_to_strings(memoryview(data)),
    ):
        try:
            act()
        except UnusualError:
            pass
        except DaemonError as error:
            assert error.kind in {
                ErrorKind.NOT_A_COMPONENT,
                ErrorKind.NO_SUPPORTED_WORLD,
                ErrorKind.WORLD_NOT_YET_SUPPORTED,
                ErrorKind.WORLD_NO_LONGER_SUPPORTED,
            }


@given(st.integers(0, len(ECHO) - 1), st.integers(0, 255))
def test_a_changed_byte_leads_to_no_other_error(position: int, value: int) -> None:
    """Hostile bytes end in our errors, never in an exception that nobody expects."""
    _read_all(ECHO[:position] + bytes([value]) + ECHO[position + 1 :])


@given(st.integers(0, len(ECHO) - 1))
def test_a_truncated_component_leads_to_no_other_error(length: int) -> None:
    """The same for half a file."""
    _read_all(ECHO[:length])


@given(st.binary(max_size=300))
def test_noise_after_the_preamble_leads_to_no_other_error(noise: bytes) -> None:
    """And for no file at all."""
    _read_all(ECHO[:8] + noise)


def test_deep_nesting_is_no_recursion_without_end() -> None:
    """A component in a component in a component, a thousand times."""
    nested = COMPONENT
    for _ in range(1000):
        nested = b"".join([COMPONENT, *encode_section(SectionId.COMPONENT, nested)])

    _read_all(nested)
    with pytest.raises(UnusualError, match="too deeply"):
        split.split(nested)
