"""
Walks the type sections of a component, entry by entry. Pure.

Serves the rewrite of byte lists, which must know where each type definition begins and ends and
which other types it mentions. What it doesn't know it refuses with UnusualError.
"""

from collections.abc import Callable
from dataclasses import dataclass

from daemon.component.binary import (
    ALIAS_OUTER,
    Reader,
    extern_name,
    extern_type,
    read_alias,
)
from daemon.component.core_module import UnusualError

LIST_OF_BYTES = b"\x70\x7d"
STRING = b"\x73"

_FUNCTION = 0x40
_COMPONENT, _INSTANCE = 0x41, 0x42
_RESOURCE = 0x3F
_RECORD, _VARIANT, _LIST, _TUPLE, _FLAGS, _ENUM = 0x72, 0x71, 0x70, 0x6F, 0x6E, 0x6D
_OPTION, _RESULT, _OWN, _BORROW = 0x6B, 0x6A, 0x69, 0x68
_PRIMITIVES = range(0x73, 0x80)
_OTHER_FORMS = range(0x40, 0x73)  # one byte that is no index: indices are signed numbers
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class TypeEntry:
    """
    One type definition: its bytes from `start` to `end`, and the types it mentions by index.

    `aliases` are those of the component's types that an instance or component type pulls into
    the scope of its own.
    """

    start: int
    end: int
    mentions: frozenset[int]
    aliases: frozenset[int]


def read_types(reader: Reader) -> list[TypeEntry]:
    """Read a type section. Raises UnusualError, NOT_A_COMPONENT."""
    return reader.many(_entry)


def _entry(reader: Reader) -> TypeEntry:
    start = reader.position
    walk = _Walk(reader)
    walk.definition(depth=0)
    return TypeEntry(
        start, reader.position, frozenset(walk.mentions), frozenset(walk.outer_aliases)
    )


class _Walk:
    """A pass over one definition, collecting what it mentions; owned by `_entry`."""

    def __init__(self, reader: Reader) -> None:
        self.mentions: set[int] = set()
        self.outer_aliases: set[int] = set()
        self._reader = reader
        self._forms: dict[int, Callable[[], object]] = {
            _RECORD: lambda: self._each(self._labelled),
            _VARIANT: lambda: self._each(self._case),
            _LIST: self._value,
            _TUPLE: lambda: self._each(self._value),
            _FLAGS: lambda: self._each(reader.name),
            _ENUM: lambda: self._each(reader.name),
            _OPTION: self._value,
            _RESULT: self._result,
            _OWN: reader.u32,
            _BORROW: reader.u32,
            _FUNCTION: self._function,
            _RESOURCE: self._resource,
        }

    def definition(self, *, depth: int) -> None:
        """Pass one definition."""
        form = self._reader.byte()
        if form in _PRIMITIVES:
            return
        if form in {_COMPONENT, _INSTANCE}:
            self._scope(depth=depth + 1)
        elif form in self._forms:
            self._forms[form]()
        else:
            raise UnusualError(f"type form {form:#x}")

    def _each(self, read: Callable[[], object]) -> None:
        for _ in range(self._reader.count()):
            read()

    def _value(self) -> None:
        """Pass a value type: a primitive in one byte, or the index of a definition."""
        byte = self._reader.peek()
        if byte in _PRIMITIVES:
            self._reader.byte()
        elif byte in _OTHER_FORMS:
            raise UnusualError(f"value type {byte:#x}")
        else:
            self.mentions.add(self._reader.u32())

    def _result(self) -> None:
        self._optional()
        self._optional()

    def _optional(self) -> None:
        if self._reader.byte():
            self._value()

    def _labelled(self) -> None:
        self._reader.name()
        self._value()

    def _case(self) -> None:
        self._reader.name()
        self._optional()
        if self._reader.byte():
            raise UnusualError("variant cases that refine others")

    def _function(self) -> None:
        self._each(self._labelled)
        if self._reader.byte() == 0:
            self._value()
        elif self._reader.byte():
            raise UnusualError("functions with named results")

    def _resource(self) -> None:
        self._reader.byte()
        if self._reader.byte():
            self._reader.u32()

    def _scope(self, *, depth: int) -> None:
        """Pass the declarations of a component or instance type: indices of their own."""
        if depth > _DEEPEST:
            raise UnusualError("types nested too deeply")
        scope = _Walk(self._reader)  # its mentions are indices of the inner scope: dropped
        for _ in range(self._reader.count()):
            scope.declaration(depth=depth)
        self.outer_aliases |= scope.outer_aliases

    def declaration(self, *, depth: int) -> None:
        """Pass one declaration of a component or instance type."""
        match self._reader.byte():
            case 1:
                self.definition(depth=depth)
            case 2:
                alias = read_alias(self._reader)
                if alias.target == ALIAS_OUTER and alias.instance == depth:
                    self.outer_aliases.add(alias.index)
            case 3 | 4:
                extern_name(self._reader)
                extern_type(self._reader)
            case _:
                raise UnusualError("core types within types")
