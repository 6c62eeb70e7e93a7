"""Type definitions, entry by entry."""

import pytest

from daemon.component.binary import Reader, leb
from daemon.component.core_module import UnusualError
from daemon.component.types import LIST_OF_BYTES, STRING, read_types
from daemon.errors import DaemonError

RECORD = b"\x72\x02\x01a\x73\x01b\x00"  # record { a: string, b: type 0 }
VARIANT = b"\x71\x02\x01a\x01\x01\x00\x01b\x00\x00"  # variant { a(type 1), b }
FUNCTION = b"\x40\x01\x01x\x02\x00\x03"  # func(x: type 2) -> type 3
NO_RESULT = b"\x40\x00\x01\x00"
RESULT = b"\x6a\x01\x04\x00"  # result<type 4>
OWN = b"\x69\x05"


def section(*entries: bytes) -> Reader:
    """The content of a type section."""
    return Reader(leb(len(entries)) + b"".join(entries))


def test_each_entry_knows_where_it_is_and_what_it_mentions() -> None:
    """The entries of a section follow each other without a gap."""
    entries = [LIST_OF_BYTES, STRING, RECORD, VARIANT, FUNCTION, NO_RESULT, RESULT, OWN]

    read = read_types(section(*entries))

    assert [one.end - one.start for one in read] == [len(entry) for entry in entries]
    assert [set(one.mentions) for one in read] == [
        set(),
        set(),
        {0},
        {1},
        {2, 3},
        set(),
        {4},
        set(),  # handles mention resources, not values
    ]


def test_indices_above_63_take_two_bytes() -> None:
    """One byte from 0x40 on is a form, never an index."""
    assert read_types(section(b"\x70\xf5\x00"))[0].mentions == {0x75}


def test_an_instance_type_has_a_scope_of_its_own() -> None:
    """What it mentions is its own; what it pulls in from outside is noted."""
    declarations = [b"\x02\x03\x02\x01\x07", b"\x01" + LIST_OF_BYTES, b"\x04\x00\x01f\x01\x00"]
    instance = b"\x42" + leb(len(declarations)) + b"".join(declarations)

    (entry,) = read_types(section(instance))

    assert entry.aliases == {7}
    assert not entry.mentions


@pytest.mark.parametrize("entry", [b"\x50", b"\x70\x64", b"\x42\x01\x00"])
def test_unknown_forms_are_left_alone(entry: bytes) -> None:
    """The component is then compiled as it is."""
    with pytest.raises(UnusualError):
        read_types(section(entry))


def test_scopes_within_scopes_end_somewhere() -> None:
    """Hostile bytes must not exhaust the stack."""
    with pytest.raises(UnusualError, match="too deeply"):
        read_types(section(b"\x42\x01\x01" * 5000 + LIST_OF_BYTES))


def test_a_cut_off_entry_is_no_component() -> None:
    """Bounded reads, here too."""
    with pytest.raises(DaemonError):
        read_types(section(RECORD[:-1]))
