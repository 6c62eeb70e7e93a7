"""What core modules import and export."""

import pytest

from daemon.component.core_module import (
    Kind,
    UnusualError,
    code_size,
    import_modules,
    module_type,
)
from tests.components import component

MODULE = component(
    """(module
      (import "a" "f" (func (param i32) (result i64)))
      (import "a" "g" (global i32))
      (import "b" "m" (memory 1))
      (import "b" "t" (table 1 10 funcref))
      (func $own (param f32))
      (global (export "plain") (mut i64) (i64.const -5))
      (global (export "sum") i32 (i32.add (global.get 0) (i32.const 7)))
      (global (export "float") f64 (f64.const 1.5))
      (table 3 externref)
      (export "own" (func $own))
      (export "theirs" (func 0))
      (export "memory" (memory 0))
      (export "table" (table 1)))"""
)


def test_imports_and_exports_have_their_types() -> None:
    """Indices count what is imported first, then what is defined."""
    kind = module_type(MODULE, 0, len(MODULE))

    assert [(one.module, one.field, one.type.kind) for one in kind.imports] == [
        ("a", "f", Kind.FUNC),
        ("a", "g", Kind.GLOBAL),
        ("b", "m", Kind.MEMORY),
        ("b", "t", Kind.TABLE),
    ]
    assert kind.exports["own"].signature == b"\x60\x01\x7d\x00"
    assert kind.exports["theirs"].signature == b"\x60\x01\x7f\x01\x7e"
    assert kind.exports["memory"].encoded == b"\x00\x01"
    assert kind.exports["table"].encoded == b"\x6f\x00\x03"
    assert kind.exports["plain"].encoded == b"\x7e\x01"
    assert kind.exports["sum"].encoded == b"\x7f\x00"
    assert kind.exports["float"].encoded == b"\x7c\x00"


def test_imports_are_grouped_by_where_they_come_from() -> None:
    """An instance that is passed under a name provides those fields."""
    assert import_modules(MODULE, 0, len(MODULE)) == {"a": {"f", "g"}, "b": {"m", "t"}}


def test_only_code_counts() -> None:
    """Data may be large and costs nothing to compile."""
    data = component(f'(module (memory 1) (data (i32.const 0) "{"x" * 5000}"))')

    assert code_size(data, 0, len(data)) == 0
    assert 0 < code_size(MODULE, 0, len(MODULE)) < 20


@pytest.mark.parametrize(
    "text",
    [
        "(module (type (struct)))",
        "(module (table 1 funcref (ref.null func)))",
        "(module (global v128 (v128.const i64x2 0 0)))",
    ],
    ids=["gc type", "initialized table", "vector constant"],
)
def test_what_is_unusual_is_left_alone(text: str) -> None:
    """Such a module stays where it is."""
    module = component(text)

    with pytest.raises(UnusualError):
        module_type(module, 0, len(module))
