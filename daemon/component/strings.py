"""
Turns the byte lists of a Skill's `run` and `metadata` into strings, inside the component.

A `list<u8>` and a UTF-8 `string` look the same to the guest (pointer and length), but the host
moves a string in one piece: 16 times faster at 1 MB, and without the cap of 2.8 MB on what a
guest may return. Only the types of exported functions change; what the component imports must
stay as its host knows it, and that is checked. wasmtime's validation checks the rest, so a
result that is wrong is refused and never runs.

Pure. The host must then pass and expect strings: both sides must be UTF-8, as JSON is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from daemon.component.binary import (
    ALIAS_CORE_EXPORT,
    Buffer,
    CoreSort,
    Instantiation,
    Named,
    Reader,
    Section,
    SectionId,
    Sort,
    component_sections,
    encode_section,
    read_alias,
    read_export,
    read_import,
    read_instance,
)
from daemon.component.core_module import UnusualError
from daemon.component.types import LIST_OF_BYTES, STRING, TypeEntry, read_types

_FUNCTIONS = re.compile(r"pharia:skill/(skill-handler|message-stream)@[^#]+#(run|metadata)")
_LIFT, _LOWER = 0x00, 0x01
_RESOURCE_BUILTINS = {0x02, 0x03, 0x04, 0x07}
_UTF8 = 0x00
_ENCODINGS = {_UTF8, 0x01, 0x02}
_OPTIONS_WITH_INDEX = {0x03, 0x04, 0x05}  # memory, realloc, post-return


@dataclass(frozen=True, slots=True)
class _Lift:
    """A core function made a function of the component."""

    core_name: str
    type: int
    utf8: bool


@dataclass(slots=True)
class _Spaces:
    """The index spaces of a component, in the order of its sections; filled by `_read`."""

    data: Buffer
    core_funcs: list[str] = field(default_factory=list)  # name of a core export, or ""
    funcs: list[_Lift | None] = field(default_factory=list)
    types: list[TypeEntry | None] = field(default_factory=list)
    components: list[Section | None] = field(default_factory=list)
    instances: list[Instantiation] = field(default_factory=list)
    imported_types: set[int] = field(default_factory=set)


def bytes_to_strings(data: Buffer) -> bytes:
    """
    Return the component with strings in place of the byte lists of `run` and `metadata`.

    Raises UnusualError, with the reason, where that pattern is not found, and NOT_A_COMPONENT.
    """
    spaces = _read(data)
    lifted = {
        index: lift
        for index, lift in enumerate(spaces.funcs)
        if lift is not None and _FUNCTIONS.fullmatch(lift.core_name)
    }
    if not all(lift.utf8 for lift in lifted.values()):
        raise UnusualError("its strings are not UTF-8")
    places = _byte_lists(spaces, (lift.type for lift in lifted.values()))
    if not places:
        raise UnusualError("its run takes no list of bytes")
    wrappers = _wrappers(spaces, lifted.keys())
    pieces: list[Buffer] = [data[:8]]
    for section in component_sections(data):
        pieces += _rewritten(data, section, places, wrappers)
    return b"".join(pieces)


def _rewritten(
    data: Buffer, section: Section, places: list[TypeEntry], wrappers: set[int]
) -> list[Buffer]:
    if section.id == SectionId.TYPE:
        return _with_strings(data, section, places)
    if section.id != SectionId.COMPONENT or section.start not in wrappers:
        return [data[section.start : section.end]]
    pieces: list[Buffer] = [data[section.body : section.body + 8]]
    for inner in component_sections(data, section.body, section.end):
        if inner.id == SectionId.TYPE:
            entries = read_types(inner.reader(data))
            pieces += _with_strings(data, inner, [e for e in entries if _is_byte_list(data, e)])
        else:
            pieces.append(data[inner.start : inner.end])
    return encode_section(SectionId.COMPONENT, *pieces)


def _with_strings(data: Buffer, section: Section, places: Iterable[TypeEntry]) -> list[Buffer]:
    """Return a type section in which the entries at *places* are strings."""
    pieces: list[Buffer] = []
    position = section.body
    for entry in places:
        if section.body <= entry.start < section.end:
            pieces += [data[position : entry.start], STRING]
            position = entry.end
    pieces.append(data[position : section.end])
    return encode_section(SectionId.TYPE, *pieces)


def _is_byte_list(data: Buffer, entry: TypeEntry) -> bool:
    return bytes(data[entry.start : entry.end]) == LIST_OF_BYTES


def _byte_lists(spaces: _Spaces, functions: Iterable[int]) -> list[TypeEntry]:
    """Return the definitions of byte lists that *functions* reach, none of which is imported."""
    reached = _reach(spaces, functions)
    fixed = _reach(spaces, spaces.imported_types)
    found: list[TypeEntry] = []
    for index in sorted(reached):
        entry = spaces.types[index]
        if entry is not None and _is_byte_list(spaces.data, entry):
            if index in fixed:
                raise UnusualError("its imports share the byte lists of its exports")
            found.append(entry)
    return found


def _reach(spaces: _Spaces, start: Iterable[int]) -> set[int]:
    """Return the types that are mentioned, directly or not, from *start*."""
    reached: set[int] = set()
    waiting = list(start)
    while waiting:
        index = waiting.pop()
        if index in reached or not 0 <= index < len(spaces.types):
            continue
        reached.add(index)
        entry = spaces.types[index]
        if entry is not None:
            waiting += entry.mentions | entry.aliases
    return reached


def _wrappers(spaces: _Spaces, functions: Iterable[int]) -> set[int]:
    """Return where the components start that only give *functions* their place and names."""
    wanted = set(functions)
    found: set[int] = set()
    for instance in spaces.instances:
        passed = {a.item.index for a in instance.arguments if a.item.sort == Sort.FUNC}
        if instance.template is None or not passed & wanted:
            continue
        section = None
        if instance.template < len(spaces.components):
            section = spaces.components[instance.template]
        if section is None:
            raise UnusualError("its exports go through an imported component")
        found.add(section.start)
    return found


# Index spaces ------------------------------------------------------------------------------------


def _read(data: Buffer) -> _Spaces:
    spaces = _Spaces(data)
    for section in component_sections(data):
        reader = section.reader(data)
        match section.id:
            case SectionId.TYPE:
                spaces.types += read_types(reader)
            case SectionId.COMPONENT:
                spaces.components.append(section)
            case SectionId.INSTANCE:
                spaces.instances += reader.many(read_instance)
            case _:
                _read_items(spaces, section.id, reader)
    return spaces


def _read_items(spaces: _Spaces, section_id: int, reader: Reader) -> None:
    """Read a section whose items only take an index, mostly."""
    match section_id:
        case SectionId.CANON:
            for _ in range(reader.count()):
                _canonical(spaces, reader)
        case SectionId.ALIAS:
            _aliases(spaces, reader)
        case SectionId.IMPORT:
            imports = reader.many(read_import)
            spaces.imported_types |= {named.item.index for named in imports}
            _named(spaces, imports)
        case SectionId.EXPORT:
            _named(spaces, reader.many(read_export))


def _named(spaces: _Spaces, items: Iterable[Named]) -> None:
    """Count imports and exports: each takes an index."""
    for named in items:
        _opaque(spaces, named.item.sort)


def _opaque(spaces: _Spaces, sort: int) -> None:
    """Count an item of whose inside we know nothing."""
    match sort:
        case Sort.FUNC:
            spaces.funcs.append(None)
        case Sort.TYPE:
            spaces.types.append(None)
        case Sort.COMPONENT:
            spaces.components.append(None)


def _aliases(spaces: _Spaces, reader: Reader) -> None:
    for alias in reader.many(read_alias):
        if alias.core == CoreSort.FUNC:
            known = alias.target == ALIAS_CORE_EXPORT
            spaces.core_funcs.append(alias.name if known else "")
        elif alias.sort != Sort.CORE:
            _opaque(spaces, alias.sort)


def _canonical(spaces: _Spaces, reader: Reader) -> None:
    """Read one definition of the canon section."""
    operation = reader.byte()
    if operation == _LIFT:
        reader.byte()
        function, utf8, kind = reader.u32(), _options(reader), reader.u32()
        if function >= len(spaces.core_funcs):
            raise UnusualError("it lifts a function that does not exist")
        spaces.funcs.append(_Lift(spaces.core_funcs[function], kind, utf8))
        return
    if operation == _LOWER:
        reader.byte()
        reader.u32()
        _options(reader)
    elif operation in _RESOURCE_BUILTINS:
        reader.u32()
    else:
        raise UnusualError(f"canonical operation {operation:#x}")
    spaces.core_funcs.append("")


def _options(reader: Reader) -> bool:
    """Pass the canonical options; tell whether strings are UTF-8."""
    utf8 = True
    for _ in range(reader.count()):
        option = reader.byte()
        if option in _OPTIONS_WITH_INDEX:
            reader.u32()
        elif option not in _ENCODINGS:
            raise UnusualError(f"canonical option {option:#x}")
        elif option != _UTF8:
            utf8 = False
    return utf8
