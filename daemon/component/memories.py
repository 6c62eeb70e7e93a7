"""
How much linear memory a component takes before it does anything. Pure.

Serves caps: one below this can never be kept, and one cap has to be shared by all memories. Counts
what the core modules define; a module that is instantiated twice has more, which whoever
instantiates must refuse (`engine/instance`).
"""

from collections.abc import Iterator

from daemon.component.binary import Buffer, Reader, SectionId, component_sections, malformed
from daemon.component.core_module import CoreSection, module_sections

_PAGE = 1 << 16
_DEEPEST = 64
_HAS_MOST = 1


def initial_memories(data: Buffer) -> list[int]:
    """Return the bytes that each memory starts with. Raises NOT_A_COMPONENT."""
    return list(_of_component(data, 0, len(data), depth=0))


def _of_component(data: Buffer, start: int, end: int, *, depth: int) -> Iterator[int]:
    if depth > _DEEPEST:
        raise malformed(start, "components nested too deeply")
    for section in component_sections(data, start, end):
        if section.id == SectionId.CORE_MODULE:
            yield from _of_module(data, section.body, section.end)
        elif section.id == SectionId.COMPONENT:
            yield from _of_component(data, section.body, section.end, depth=depth + 1)


def _of_module(data: Buffer, start: int, end: int) -> Iterator[int]:
    for section in module_sections(data, start, end):
        if section.id == CoreSection.MEMORY:
            yield from section.reader(data).many(_least)


def _least(reader: Reader) -> int:
    flags, pages = reader.byte(), reader.u64()
    if flags & _HAS_MOST:
        reader.skip_number()
    return pages * _PAGE
