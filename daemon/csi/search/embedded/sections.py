"""
Cuts a text into the sections that a search finds. Pure.

A Markdown heading starts a section; paragraphs are put together up to a handy size; only what is
too long for one section is cut inside, at the end of a sentence where there is one. Fenced code
stays in one piece. Plain text is Markdown without headings. Leaves out tokens of any model: that is
chunking's matter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"[^\n]*\n?")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_SENTENCE_END = re.compile(r"[.!?\u3002]['\")\]]*\s|\n")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters from `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Block:
    span: Span
    heading: bool


def split(text: str, *, handy: int = 1000, longest: int = 2000) -> list[Span]:
    """Return sections in order, none empty or overlapping; only white space is left between."""
    sections: list[Span] = []
    headed = False
    for block in _blocks(text):
        last = sections[-1] if sections else None
        begins = block.heading and not headed
        if last is None or begins or block.span.end - last.start > handy:
            sections.append(block.span)
        else:
            sections[-1] = Span(last.start, block.span.end)
        headed = block.heading
    return [piece for one in sections for piece in _cut(text, one, longest)]


def _blocks(text: str) -> Iterator[_Block]:
    """Headings, and paragraphs (what blank lines part, except in fenced code)."""
    start = end = 0
    fence = ""
    for line in _LINE.finditer(text):
        mark = _FENCE.match(line.group())
        if fence:
            fence = "" if mark and mark.group(1) == fence else fence
        elif not line.group().strip() or _HEADING.match(line.group()):
            if text[start:end].strip():
                yield _Block(Span(start, end), heading=False)
            start = line.start()
            if line.group().strip():
                yield _Block(Span(line.start(), line.end()), heading=True)
                start = line.end()
        elif mark:
            fence = mark.group(1)
        end = line.end()
    if text[start:end].strip():
        yield _Block(Span(start, end), heading=False)


def _cut(text: str, span: Span, longest: int) -> Iterator[Span]:
    rest = _trim(text, span)
    while rest.end - rest.start > longest:
        at = _break(text, rest.start, rest.start + longest)
        yield _trim(text, Span(rest.start, at))
        rest = _trim(text, Span(at, rest.end))
    if rest.end > rest.start:
        yield rest


def _break(text: str, start: int, end: int) -> int:
    """The best place to cut in the second half of the span: after a sentence, a word, anywhere."""
    middle = (start + end) // 2
    ends = [one.end() for one in _SENTENCE_END.finditer(text, middle, end)]
    if ends:
        return ends[-1]
    space = max(text.rfind(" ", middle, end), text.rfind("\t", middle, end))
    return space + 1 if space > 0 else end


def _trim(text: str, span: Span) -> Span:
    piece = text[span.start : span.end]
    start = span.start + len(piece) - len(piece.lstrip())
    return Span(start, max(start, span.start + len(piece.rstrip())))
