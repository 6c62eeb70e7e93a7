"""Chunking and language selection: their JSON."""

import msgspec
import pytest

from daemon.api.csi import texts
from daemon.csi import interface as csi

CHUNK = {"text": "t", "params": {"model": "m", "max_tokens": 3, "overlap": 1}}


def test_chunks_are_asked_for_with_and_without_places() -> None:
    """Of characters only where wanted."""
    plain = msgspec.convert(CHUNK, texts.Chunk)
    placed = msgspec.convert(CHUNK | {"character_offsets": True}, texts.ChunkWithOffsets)

    assert plain.request() == csi.ChunkRequest("t", "m", 3, 1)
    assert placed.request() == csi.ChunkRequest("t", "m", 3, 1, True)


def test_whether_characters_are_counted_has_to_be_said() -> None:
    """By the contract."""
    with pytest.raises(msgspec.ValidationError, match="character_offsets"):
        msgspec.convert(CHUNK, texts.ChunkWithOffsets)


def test_chunks_are_told_as_texts_or_with_their_places() -> None:
    """An offset that nobody asked for is null."""
    found = [csi.Chunk("a", 0, 0), csi.Chunk("b", 2)]

    assert texts.chunks(None, found) == ["a", "b"]
    assert texts.chunks_with_offsets(None, found) == [
        {"text": "a", "byte_offset": 0, "character_offset": 0},
        {"text": "b", "byte_offset": 2, "character_offset": None},
    ]


@pytest.mark.parametrize("code", ["deu", None])
def test_a_language_is_a_code_or_null(code: str | None) -> None:
    """Undecided."""
    asked = msgspec.convert({"text": "t", "languages": ["deu"]}, texts.Language)

    assert asked.request() == csi.LanguageRequest("t", ["deu"])
    assert texts.language(asked, code) == code
