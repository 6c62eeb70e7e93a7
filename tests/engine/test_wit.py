"""Types as values: what counts for equality, and how names are spelled."""

from daemon.csi import interface as csi
from daemon.engine.wit import STRING, U32, Record, Variant, enumeration, record, struct, variant


def test_names_are_spelled_as_in_wit() -> None:
    """Python has no dashes in names."""
    assert record(max_tokens=U32).fields == (("max-tokens", U32),)
    assert variant(is_null=None).cases == (("is-null", None),)


def test_equality_is_what_a_guest_can_tell() -> None:
    """Names and their order, not what they become."""
    assert record(a=U32, b=STRING) == Record(record(a=U32, b=STRING).fields, make=max)
    assert record(a=U32, b=STRING) != record(b=STRING, a=U32)
    assert enumeration("a", "b") != enumeration("b", "a")
    assert Variant((("a", None),)) != Variant((("a", U32),))


def test_a_struct_is_made_and_taken_apart_by_name() -> None:
    """The order of its attributes does not matter."""
    swapped = struct(csi.OtherMessage, content=STRING, role=STRING)
    message = csi.OtherMessage(role="r", content="c")

    assert swapped.make("c", "r") == message
    assert tuple(swapped.take(message)) == ("c", "r")
    assert tuple(struct(csi.ToolError, message=STRING).take(csi.ToolError("x"))) == ("x",)
