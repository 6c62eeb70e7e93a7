"""
Reads the outer structure of a component binary: sections, names, and what refers to what.

The bytes come from strangers: every read is bounded, and all that can be wrong with them is a
DaemonError of kind NOT_A_COMPONENT that names the byte. Leaves out validation, which is
wasmtime's, the insides of core modules (`core_module`) and the types (`types`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from daemon.errors import DaemonError, ErrorKind

MAGIC = b"\0asm"
COMPONENT = MAGIC + b"\x0d\0\x01\0"
CORE_MODULE = MAGIC + b"\x01\0\0\0"

ALIAS_EXPORT, ALIAS_CORE_EXPORT, ALIAS_OUTER = 0, 1, 2
"""What an alias aims at."""

Buffer = bytes | memoryview
T = TypeVar("T")


class SectionId(IntEnum):
    """The sections of a component. Of core modules, components and starts a section holds one."""

    CUSTOM = 0
    CORE_MODULE = 1
    CORE_INSTANCE = 2
    CORE_TYPE = 3
    COMPONENT = 4
    INSTANCE = 5
    ALIAS = 6
    TYPE = 7
    CANON = 8
    START = 9
    IMPORT = 10
    EXPORT = 11


class Sort(IntEnum):
    """The component-level index spaces."""

    CORE = 0
    FUNC = 1
    VALUE = 2
    TYPE = 3
    COMPONENT = 4
    INSTANCE = 5


class CoreSort(IntEnum):
    """The core index spaces; the component-level sort CORE is followed by one of these."""

    FUNC = 0x00
    TABLE = 0x01
    MEMORY = 0x02
    GLOBAL = 0x03
    TAG = 0x04
    TYPE = 0x10
    MODULE = 0x11
    INSTANCE = 0x12


def malformed(offset: int, what: str) -> DaemonError:
    """Return the error for bytes that are no component."""
    return DaemonError(
        ErrorKind.NOT_A_COMPONENT,
        f"error decoding component: {what} at byte {offset}; build or pull the Skill again",
    )


class Reader:
    """A cursor over *data* from *position* up to *end*; never reads beyond. Owned by its caller."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: Buffer, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    @property
    def done(self) -> bool:
        """Whether all bytes have been read."""
        return self.position >= self.end

    def byte(self) -> int:
        """Read one byte."""
        position = self.position
        if position >= self.end:
            raise malformed(position, "unexpected end")
        self.position = position + 1
        return self.data[position]

    def peek(self) -> int:
        """Return the next byte without reading it."""
        if self.position >= self.end:
            raise malformed(self.position, "unexpected end")
        return self.data[self.position]

    def u32(self) -> int:
        """Read an unsigned LEB128 number of at most 32 bits."""
        value = self._leb(bytes_at_most=5)
        if value >= 1 << 32:
            raise malformed(self.position, "number above 32 bits")
        return value

    def u64(self) -> int:
        """Read an unsigned LEB128 number of up to 64 bits."""
        return self._leb(bytes_at_most=10)

    def skip_number(self) -> None:
        """Pass a LEB128 number of up to 64 bits, signed or not."""
        self._leb(bytes_at_most=10)

    def _leb(self, *, bytes_at_most: int) -> int:
        value = self.byte()
        if value < 0x80:  # most numbers are small, and there are tens of thousands
            return value
        self.position -= 1
        value = 0
        for shift in range(0, bytes_at_most * 7, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise malformed(self.position, "number of too many bytes")

    def take(self, count: int) -> Buffer:
        """Read *count* bytes, without a copy where *data* is a memoryview."""
        start = self.position
        if count > self.end - start:
            raise malformed(start, f"{count} bytes announced, {self.end - start} left")
        self.position = start + count
        return self.data[start : self.position]

    def name(self) -> str:
        """Read a length-prefixed UTF-8 name."""
        start = self.position
        raw = bytes(self.take(self.u32()))
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise malformed(start, "name is not UTF-8") from error

    def count(self) -> int:
        """Read the length of a vector; each item needs a byte at least."""
        count = self.u32()
        if count > self.end - self.position:
            raise malformed(self.position, f"vector of {count} items, more than bytes left")
        return count

    def many(self, read: Callable[["Reader"], T]) -> list[T]:
        """Read a vector of what *read* reads."""
        return [read(self) for _ in range(self.count())]


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its id, and where it (`start`), its content (`body`) begin and `end`."""

    id: int
    start: int
    body: int
    end: int

    def reader(self, data: Buffer) -> Reader:
        """Return a cursor over the content."""
        return Reader(data, self.body, self.end)


def sections(data: Buffer, start: int, end: int) -> Iterator[Section]:
    """Yield the sections between *start* (after the preamble) and *end*."""
    reader = Reader(data, start, end)
    while not reader.done:
        begin = reader.position
        section_id = reader.byte()
        size = reader.u32()
        body = reader.position
        reader.take(size)
        yield Section(section_id, begin, body, reader.position)


def component_sections(data: Buffer, start: int = 0, end: int | None = None) -> tuple[Section, ...]:
    """Return the sections of the component at *start*. Raises NOT_A_COMPONENT."""
    end = len(data) if end is None else end
    preamble = bytes(data[start : min(start + 8, end)])
    if preamble == CORE_MODULE:
        raise DaemonError(
            ErrorKind.NOT_A_COMPONENT,
            "not a component: this is a core WebAssembly module; build the Skill as a component "
            "(the SDK does, or `wasm-tools component new`)",
        )
    if preamble != COMPONENT:
        raise malformed(start, "no WebAssembly component preamble")
    return tuple(sections(data, start + 8, end))


# What stands in the sections ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extern:
    """
    What an import, export or argument speaks of: a sort, for CORE with the core sort, and an index.

    For imports of component-level sorts the index is that of a type; -1 is a fresh resource.
    """

    sort: int
    core: int | None
    index: int


@dataclass(frozen=True, slots=True)
class Named:
    """A name and what it names, in imports, exports and instantiation arguments."""

    name: str
    item: Extern


@dataclass(frozen=True, slots=True)
class Alias:
    """
    Another index for something that exists elsewhere.

    `target`: ALIAS_EXPORT and ALIAS_CORE_EXPORT mean export `name` of `instance`, ALIAS_OUTER
    item `index` of the component `instance` levels up.
    """

    sort: int
    core: int | None
    target: int
    instance: int
    name: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Instantiation:
    """An instance made from `template` (a module or component), or from listed items (None)."""

    template: int | None
    arguments: tuple[Named, ...]


def read_sort(reader: Reader) -> tuple[int, int | None]:
    """Read a sort; the second value is the core sort where the first is CORE."""
    sort = reader.byte()
    if sort > Sort.INSTANCE:
        raise malformed(reader.position - 1, f"unknown sort {sort}")
    return sort, reader.byte() if sort == Sort.CORE else None


def _sort_index(reader: Reader) -> Extern:
    sort, core = read_sort(reader)
    return Extern(sort, core, reader.u32())


def extern_name(reader: Reader) -> str:
    """Read the name of an import or export, whichever of its encodings is used."""
    form = reader.byte()
    if form > 1:
        raise malformed(reader.position - 1, f"unknown form {form} of a name")
    return reader.name()


def extern_type(reader: Reader) -> Extern:
    """Read the type of an import, or the one ascribed to an export."""
    sort, core = read_sort(reader)
    if sort in {Sort.VALUE, Sort.TYPE}:
        bound = reader.byte()
        if bound == 1 and sort == Sort.TYPE:  # a fresh resource type
            return Extern(sort, core, -1)
    return Extern(sort, core, reader.u32())


def read_import(reader: Reader) -> Named:
    """Read one entry of the import section; the index is that of its type."""
    return Named(extern_name(reader), extern_type(reader))


def read_export(reader: Reader) -> Named:
    """Read one entry of the export section, without the type that may be ascribed to it."""
    named = Named(extern_name(reader), _sort_index(reader))
    if reader.byte():
        extern_type(reader)
    return named


def read_alias(reader: Reader) -> Alias:
    """Read one entry of the alias section."""
    sort, core = read_sort(reader)
    target = reader.byte()
    if target > ALIAS_OUTER:
        raise malformed(reader.position - 1, f"unknown alias target {target}")
    instance = reader.u32()
    if target == ALIAS_OUTER:
        return Alias(sort, core, target, instance, index=reader.u32())
    return Alias(sort, core, target, instance, name=reader.name())


def read_core_instance(reader: Reader) -> Instantiation:
    """Read one entry of the core instance section."""
    if reader.byte() == 0:
        module = reader.u32()
        return Instantiation(module, tuple(reader.many(_core_item)))
    return Instantiation(None, tuple(reader.many(_core_item)))


def _core_item(reader: Reader) -> Named:
    name, core = reader.name(), reader.byte()
    return Named(name, Extern(Sort.CORE, core, reader.u32()))


def read_instance(reader: Reader) -> Instantiation:
    """Read one entry of the component instance section."""
    if reader.byte() == 0:
        template = reader.u32()
        return Instantiation(template, tuple(reader.many(_argument)))
    return Instantiation(None, tuple(reader.many(_inline_export)))


def _argument(reader: Reader) -> Named:
    return Named(reader.name(), _sort_index(reader))


def _inline_export(reader: Reader) -> Named:
    return Named(extern_name(reader), _sort_index(reader))


def exports(data: Buffer) -> Iterator[Named]:
    """Yield what the component exports, in order. Raises NOT_A_COMPONENT."""
    for section in component_sections(data):
        if section.id == SectionId.EXPORT:
            yield from section.reader(data).many(read_export)


# Writing -----------------------------------------------------------------------------------------


def leb(value: int) -> bytes:
    """Encode an unsigned number as LEB128."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_name(name: str) -> bytes:
    """Encode a length-prefixed name."""
    raw = name.encode()
    return leb(len(raw)) + raw


def encode_section(section_id: int, *parts: Buffer) -> list[Buffer]:
    """Return the pieces of a section with the given content."""
    return [bytes([section_id]) + leb(sum(map(len, parts))), *parts]
