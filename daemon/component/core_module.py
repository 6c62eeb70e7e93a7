"""
What a core module imports and exports, with types, and how much code it holds. Pure.

Serves the split alone, which declares a module's type in place of the module. Whatever is not
common in compiled Skills (GC types, unknown opcodes in constants) is refused with UnusualError:
such a module just stays where it is. Leaves out function bodies and data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from daemon.component.binary import CORE_MODULE, Buffer, Reader, Section, malformed, sections

T = TypeVar("T")


class UnusualError(Exception):
    """A module or component uses something that the rewriter leaves alone; the text says what."""


class CoreSection(IntEnum):
    """The sections of a core module that matter here."""

    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    GLOBAL = 6
    EXPORT = 7
    CODE = 10
    TAG = 13


class Kind(IntEnum):
    """What can be imported and exported."""

    FUNC = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


_SECTION_OF = {
    Kind.FUNC: CoreSection.FUNCTION,
    Kind.TABLE: CoreSection.TABLE,
    Kind.MEMORY: CoreSection.MEMORY,
    Kind.GLOBAL: CoreSection.GLOBAL,
    Kind.TAG: CoreSection.TAG,
}
_NUMERIC_TYPES = range(0x7B, 0x80)  # v128, f64, f32, i64, i32
_REFERENCE_TYPES = (0x70, 0x6F)  # funcref, externref


@dataclass(frozen=True, slots=True)
class ItemType:
    """
    The type of an imported or exported item.

    `encoded` is its binary form; for functions and tags `signature` is the function type that
    the binary form would refer to by index.
    """

    kind: Kind
    encoded: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: names of module and field, and the type."""

    module: str
    field: str
    type: ItemType


@dataclass(frozen=True, slots=True)
class ModuleType:
    """A core module as others see it."""

    imports: tuple[Import, ...]
    exports: dict[str, ItemType]


def code_size(data: Buffer, start: int, end: int) -> int:
    """Return the bytes of code in the module that lies between *start* and *end*."""
    return sum(
        section.end - section.body
        for section in module_sections(data, start, end)
        if section.id == CoreSection.CODE
    )


def module_type(data: Buffer, start: int, end: int) -> ModuleType:
    """Read the module between *start* and *end*. Raises UnusualError, NOT_A_COMPONENT."""
    found = {section.id: section for section in module_sections(data, start, end)}
    scan = _Scan(data, found)
    imports = scan.imports()
    spaces = {kind: scan.space(kind, imports) for kind in Kind}
    return ModuleType(tuple(imports), scan.exports(spaces))


def import_modules(data: Buffer, start: int, end: int) -> dict[str, set[str]]:
    """Return the names of the fields that the module imports, by the module they come from."""
    wanted: dict[str, set[str]] = {}
    found = {section.id: section for section in module_sections(data, start, end)}
    for one in _Scan(data, found).imports():
        wanted.setdefault(one.module, set()).add(one.field)
    return wanted


def module_sections(data: Buffer, start: int, end: int) -> list[Section]:
    """Return the sections of the module between *start* and *end*. Raises NOT_A_COMPONENT."""
    if bytes(data[start : start + 8]) != CORE_MODULE:
        raise malformed(start, "no core module preamble")
    return list(sections(data, start + 8, end))


class _Scan:
    """One pass over the sections of a module; owned by the function that makes it."""

    def __init__(self, data: Buffer, found: dict[int, Section]) -> None:
        self._data = data
        self._found = found
        self._signatures = self._items(CoreSection.TYPE, _signature)
        self._functions = [ItemType(Kind.FUNC, signature=one) for one in self._signatures]

    def _items(self, section: CoreSection, read: Callable[[Reader], T]) -> list[T]:
        found = self._found.get(section)
        return [] if found is None else found.reader(self._data).many(read)

    def imports(self) -> list[Import]:
        """Return the imports in order."""
        return self._items(CoreSection.IMPORT, self._import)

    def exports(self, spaces: dict[Kind, list[ItemType]]) -> dict[str, ItemType]:
        """Return the exports by name; *spaces* are the index spaces they point into."""
        exported: dict[str, ItemType] = {}
        for name, kind, index in self._items(CoreSection.EXPORT, _export):
            if index >= len(spaces[kind]):
                raise UnusualError(f"export {name!r} of an index that does not exist")
            exported[name] = spaces[kind][index]
        return exported

    def space(self, kind: Kind, imports: list[Import]) -> list[ItemType]:
        """Return the types of all items of *kind*: first what is imported, then what is defined."""
        imported = [one.type for one in imports if one.type.kind is kind]
        return imported + self._items(_SECTION_OF[kind], self._definition(kind))

    def _definition(self, kind: Kind) -> Callable[[Reader], ItemType]:
        match kind:
            case Kind.TABLE:
                return _defined_table
            case Kind.GLOBAL:
                return _defined_global
            case _:
                return lambda reader: self._type(reader, kind)

    def _import(self, reader: Reader) -> Import:
        module, field = reader.name(), reader.name()
        return Import(module, field, self._type(reader, _kind(reader)))

    def _type(self, reader: Reader, kind: Kind) -> ItemType:
        match kind:
            case Kind.FUNC:
                return _at(self._functions, reader.u32())
            case Kind.TAG:
                return ItemType(kind, bytes([reader.byte()]), _at(self._signatures, reader.u32()))
            case Kind.TABLE:
                return ItemType(kind, _spelled(reader, _pass_table))
            case Kind.MEMORY:
                return ItemType(kind, _spelled(reader, _pass_limits))
            case Kind.GLOBAL:
                return ItemType(kind, _spelled(reader, _pass_global))


def _at(types: list[T], index: int) -> T:
    if index >= len(types):
        raise UnusualError("a function type that does not exist")
    return types[index]


def _kind(reader: Reader) -> Kind:
    value = reader.byte()
    if value not in _SECTION_OF:
        raise UnusualError(f"items of kind {value:#x}")
    return Kind(value)


def _export(reader: Reader) -> tuple[str, Kind, int]:
    return reader.name(), _kind(reader), reader.u32()


def _spelled(reader: Reader, skip: Callable[[Reader], None]) -> bytes:
    """Return the bytes that *skip* passes."""
    start = reader.position
    skip(reader)
    return bytes(reader.data[start : reader.position])


def _signature(reader: Reader) -> bytes:
    """Read a plain function type, in its binary form."""
    return _spelled(reader, _pass_signature)


def _pass_signature(reader: Reader) -> None:
    if reader.byte() != 0x60:
        raise UnusualError("types other than functions")
    reader.many(_pass_value_type)
    reader.many(_pass_value_type)


def _pass_value_type(reader: Reader) -> None:
    value = reader.byte()
    if value not in _NUMERIC_TYPES and value not in _REFERENCE_TYPES:
        raise UnusualError(f"value type {value:#x}")


def _pass_global(reader: Reader) -> None:
    _pass_value_type(reader)
    reader.byte()  # mutability


def _pass_table(reader: Reader) -> None:
    if reader.byte() not in _REFERENCE_TYPES:
        raise UnusualError("tables of typed references")
    _pass_limits(reader)


def _pass_limits(reader: Reader) -> None:
    flags = reader.byte()
    if flags > 7:
        raise UnusualError(f"limits of form {flags:#x}")
    reader.skip_number()
    if flags & 1:
        reader.skip_number()


def _defined_table(reader: Reader) -> ItemType:
    if not reader.done and reader.data[reader.position] == 0x40:
        raise UnusualError("tables with an initial value")
    return ItemType(Kind.TABLE, _spelled(reader, _pass_table))


def _defined_global(reader: Reader) -> ItemType:
    defined = ItemType(Kind.GLOBAL, _spelled(reader, _pass_global))
    _pass_constant(reader)
    return defined


_END = 0x0B
_NO_OPERAND = {0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E}  # i32 and i64: add, sub, mul
_NUMBER_OPERAND = {0x23, 0x41, 0x42, 0xD0, 0xD2}  # global.get, i32/i64.const, ref.null, ref.func
_FIXED_OPERAND = {0x43: 4, 0x44: 8}  # f32.const, f64.const


def _pass_constant(reader: Reader) -> None:
    """Pass a constant expression."""
    while (opcode := reader.byte()) != _END:
        if opcode in _NUMBER_OPERAND:
            reader.skip_number()
        elif opcode in _FIXED_OPERAND:
            reader.take(_FIXED_OPERAND[opcode])
        elif opcode not in _NO_OPERAND:
            raise UnusualError(f"opcode {opcode:#x} in a constant")
