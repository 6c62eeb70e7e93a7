"""
Takes the large code out of a component, so that Skills share what they have in common.

Skills built by one toolchain carry the same core modules (CPython and friends) byte for byte.
Each large one becomes an import of a core module at the very position where it stood, so that
every index stays as it was; it is compiled once, under its own hash. The imported type declares
only the exports that the component uses, which halves the cost of instantiation.

Pure. Leaves out compiling, and the lists of bytes (`strings`). Whoever links must pass each
module under the import name given here.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from daemon.component import core_module
from daemon.component.binary import (
    ALIAS_CORE_EXPORT,
    ALIAS_OUTER,
    Alias,
    Buffer,
    CoreSort,
    Instantiation,
    Named,
    Section,
    SectionId,
    Sort,
    component_sections,
    encode_name,
    encode_section,
    leb,
    read_alias,
    read_core_instance,
    read_export,
    read_import,
    read_instance,
)
from daemon.component.core_module import ItemType, Kind, ModuleType, UnusualError

REWRITER = "2"
"""Part of every cache key: raise it with any change to what this package writes."""

LARGE = 300 << 10
"""
Bytes of code from which sharing a module pays.

The smallest that does is the C library of Python Skills (360 KiB): it costs 0.3 s to compile in
each Skill, or 0.12 ms in each instantiation once it is shared.
"""

_CORE_MODULE_SORT = bytes([Sort.CORE, CoreSort.MODULE])
_DEEPEST = 64
_MODULE_TYPE = 0x50
_DECLARE_IMPORT, _DECLARE_TYPE, _DECLARE_EXPORT = 0, 1, 3


@dataclass(frozen=True, slots=True)
class SharedModule:
    """A core module taken out: the import that stands for it, its sha256 in hex, its bytes."""

    import_name: str
    sha256: str
    module: Buffer = field(repr=False)


@dataclass(frozen=True, slots=True)
class Split:
    """A component without its large modules, and these."""

    component: bytes = field(repr=False)
    shared: tuple[SharedModule, ...]


def split(data: Buffer, *, threshold: int = LARGE) -> Split:
    """
    Take out each core module with at least *threshold* bytes of code.

    Raises UnusualError, with the reason, where the component must stay whole, and
    NOT_A_COMPONENT for bytes that are no component.
    """
    outline = _outline(data)
    shared: list[SharedModule] = []
    pieces: list[Buffer] = [data[:8]]
    for section in outline.sections:
        index = outline.module_sections.get(section.start)
        if index is None or core_module.code_size(data, section.body, section.end) < threshold:
            pieces.append(data[section.start : section.end])
            continue
        module = _named(data[section.body : section.end], shared)
        kind = core_module.module_type(data, section.body, section.end)
        used = outline.used_exports(index)
        pieces += _import(module.import_name, len(shared), _pruned(kind, used))
        shared.append(module)
    if not shared:
        raise UnusualError(f"no core module with {threshold} bytes of code or more")
    return Split(b"".join(pieces), tuple(shared))


def _named(module: Buffer, earlier: Iterable[SharedModule]) -> SharedModule:
    """Name *module* after its hash; a second copy needs a second name."""
    sha256 = hashlib.sha256(module).hexdigest()
    copies = sum(one.sha256 == sha256 for one in earlier)
    suffix = f"-x{copies}" if copies else ""
    return SharedModule(f"shared-module-x{sha256}{suffix}", sha256, module)


def _pruned(kind: ModuleType, used: set[str] | None) -> ModuleType:
    """Drop the exports that nobody uses; None keeps all."""
    if used is None:
        return kind
    exports = {name: item for name, item in kind.exports.items() if name in used}
    return ModuleType(kind.imports, exports)


# Who uses what -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Outline:
    """The core modules and core instances of a component; filled and owned by `_outline`."""

    data: Buffer
    sections: tuple[Section, ...]
    module_sections: dict[int, int] = field(default_factory=dict)  # start of section -> index
    modules: list[Section | None] = field(default_factory=list)  # None: imported or aliased
    instances: list[Instantiation] = field(default_factory=list)
    aliased: dict[int, set[str]] = field(default_factory=dict)  # core instance -> its exports
    exposed: set[int] = field(default_factory=set)  # modules that not only core instances refer to
    seen_from_inside: bool = False  # a nested component may refer to any of the modules

    def used_exports(self, module: int) -> set[str] | None:
        """Return the names that the component uses of a module, None where that is not known."""
        if self.seen_from_inside or module in self.exposed:
            return None
        used: set[str] = set()
        for index, instance in enumerate(self.instances):
            if instance.template == module:
                used |= self.aliased.get(index, set())
                for wanted in self._wanted_of(index):
                    if wanted is None:
                        return None
                    used |= wanted
        return used

    def _wanted_of(self, provider: int) -> Iterator[set[str] | None]:
        """Yield what each module asks of the core instance that it gets as an argument."""
        for instance in self.instances:
            for argument in instance.arguments:
                if argument.item.core == CoreSort.INSTANCE and argument.item.index == provider:
                    yield self._imports_from(instance.template, argument.name)

    def _imports_from(self, module: int | None, name: str) -> set[str] | None:
        section = None
        if module is not None and module < len(self.modules):
            section = self.modules[module]
        if section is None:
            return None
        return core_module.import_modules(self.data, section.body, section.end).get(name, set())


def _outline(data: Buffer) -> _Outline:
    outline = _Outline(data, component_sections(data))
    for section in outline.sections:
        match section.id:
            case SectionId.CORE_MODULE:
                outline.module_sections[section.start] = len(outline.modules)
                outline.modules.append(section)
            case SectionId.CORE_INSTANCE:
                outline.instances += section.reader(data).many(read_core_instance)
            case SectionId.CORE_TYPE:
                raise UnusualError("it defines core types")
            case SectionId.COMPONENT:
                outline.seen_from_inside |= _aliases_outer_module(data, section, depth=0)
            case _:
                _note_references(outline, section)
    return outline


def _note_references(outline: _Outline, section: Section) -> None:
    """Note what a section that is not about core items says of core modules and instances."""
    reader = section.reader(outline.data)
    match section.id:
        case SectionId.ALIAS:
            for alias in reader.many(read_alias):
                _note_alias(outline, alias)
        case SectionId.IMPORT:
            _note_modules(outline, reader.many(read_import))
        case SectionId.EXPORT:
            exported = reader.many(read_export)
            _expose(outline, exported)
            _note_modules(outline, exported)
        case SectionId.INSTANCE:
            for instance in reader.many(read_instance):
                _expose(outline, instance.arguments)


def _note_alias(outline: _Outline, alias: Alias) -> None:
    if alias.sort != Sort.CORE:
        return
    if alias.core == CoreSort.TYPE:
        raise UnusualError("it aliases core types")
    if alias.core == CoreSort.MODULE:
        outline.modules.append(None)
        if alias.target == ALIAS_OUTER:
            outline.seen_from_inside = True  # perhaps one of ours under a second index
    elif alias.target == ALIAS_CORE_EXPORT:
        outline.aliased.setdefault(alias.instance, set()).add(alias.name)


def _note_modules(outline: _Outline, items: Iterable[Named]) -> None:
    """Count the imports and exports of core modules: each takes an index."""
    outline.modules += [None for named in items if named.item.core == CoreSort.MODULE]


def _expose(outline: _Outline, items: Iterable[Named]) -> None:
    outline.exposed |= {n.item.index for n in items if n.item.core == CoreSort.MODULE}


def _aliases_outer_module(data: Buffer, nested: Section, *, depth: int) -> bool:
    """Tell whether a component within this one refers to a core module outside of itself."""
    if depth > _DEEPEST:
        raise UnusualError("components nested too deeply")
    for section in component_sections(data, nested.body, nested.end):
        if section.id == SectionId.COMPONENT:
            if _aliases_outer_module(data, section, depth=depth + 1):
                return True
        elif section.id == SectionId.ALIAS:
            for alias in section.reader(data).many(read_alias):
                if alias.core == CoreSort.MODULE and alias.target == ALIAS_OUTER:
                    return True
    return False


# Writing -----------------------------------------------------------------------------------------


def _import(name: str, type_index: int, kind: ModuleType) -> list[Buffer]:
    """Return the section of a module type, and that of the import of such a module."""
    declared = _encode_module_type(kind)
    imported = b"\x01\x00" + encode_name(name) + _CORE_MODULE_SORT + leb(type_index)
    return [
        *encode_section(SectionId.CORE_TYPE, b"\x01", declared),
        *encode_section(SectionId.IMPORT, imported),
    ]


def _encode_module_type(kind: ModuleType) -> bytes:
    types: dict[bytes, int] = {}
    declarations: list[bytes] = []

    def described(item: ItemType) -> bytes:
        if item.kind not in {Kind.FUNC, Kind.TAG}:
            return bytes([item.kind]) + item.encoded
        if item.signature not in types:
            types[item.signature] = len(types)
            declarations.append(bytes([_DECLARE_TYPE]) + item.signature)
        return bytes([item.kind]) + item.encoded + leb(types[item.signature])

    for one in kind.imports:
        text = encode_name(one.module) + encode_name(one.field) + described(one.type)
        declarations.append(bytes([_DECLARE_IMPORT]) + text)
    for name, item in kind.exports.items():
        text = encode_name(name) + described(item)
        declarations.append(bytes([_DECLARE_EXPORT]) + text)
    return bytes([_MODULE_TYPE]) + leb(len(declarations)) + b"".join(declarations)
