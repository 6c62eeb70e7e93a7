"""How chunking and language selection look over HTTP, in both directions."""

from typing import Any

import msgspec

from daemon.api.csi.body import Shape
from daemon.csi import interface as csi
from daemon.csi.interface.value import U32


class ChunkParams(Shape, frozen=True):
    """How to split."""

    model: str
    max_tokens: U32
    overlap: U32


class Chunk(Shape, frozen=True):
    """A text to split."""

    text: str
    params: ChunkParams

    def request(self) -> csi.ChunkRequest:
        """The same to the drivers."""
        params = self.params
        return csi.ChunkRequest(self.text, params.model, params.max_tokens, params.overlap)


class ChunkWithOffsets(Chunk, frozen=True):
    """A text to split, with the places of the pieces."""

    character_offsets: bool

    def request(self) -> csi.ChunkRequest:
        """The same to the drivers."""
        plain = Chunk.request(self)
        return msgspec.structs.replace(plain, character_offsets=self.character_offsets)


def chunks(_: object, found: list[csi.Chunk]) -> list[str]:
    """The pieces."""
    return [one.text for one in found]


def chunks_with_offsets(_: object, found: list[csi.Chunk]) -> list[dict[str, Any]]:
    """The pieces and where they begin."""
    return [
        {
            "text": one.text,
            "byte_offset": one.byte_offset,
            "character_offset": one.character_offset,
        }
        for one in found
    ]


class Language(Shape, frozen=True):
    """A text, and the languages that it may be written in."""

    text: str
    languages: list[str]

    def request(self) -> csi.LanguageRequest:
        """The same to the drivers; they say which languages there are."""
        return csi.LanguageRequest(self.text, self.languages)


def language(_: object, code: str | None) -> str | None:
    """The language's code."""
    return code
