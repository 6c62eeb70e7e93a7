"""Documents in and out."""

import pytest

from daemon.csi.interface import TextCursor
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.values import CollectionSize, NewDocument
from daemon.errors import DaemonError, ErrorKind
from tests.csi.search.embedded.conftest import CALLER, document, found, path, search


async def test_a_document_comes_back_as_it_went_in(index: EmbeddedIndex) -> None:
    """All contents, and the metadata."""
    await index.add([document("a/b", "one", "two", metadata={"k": [1]})])

    back = await index.document(path("a/b"), CALLER)

    assert back.contents == ["one", "two"]
    assert back.metadata == await index.metadata(path("a/b"), CALLER) == b'{"k":[1]}'


async def test_adding_again_changes_nothing(index: EmbeddedIndex) -> None:
    """Other text or metadata replaces; nothing of the old is found."""
    assert await index.add([document("a", "old")]) == ["added"]
    assert await index.add([document("a", "old")]) == ["unchanged"]
    assert await index.add([document("a", "old", metadata={})]) == ["replaced"]
    assert await index.add([document("a", "new")]) == ["replaced"]

    assert await found(index, "old") == []
    assert await found(index, "new") == ["a"]


async def test_removing_takes_all_traces(index: EmbeddedIndex) -> None:
    """The last document takes the collection with it."""
    await index.add([document("a", "word"), document("b", "word")])

    assert await index.remove([path("a"), path("c")]) == [True, False]
    assert await found(index, "word") == ["b"]
    assert await index.collections() == [CollectionSize("team", "docs", 1, 1)]
    assert await index.remove([path("b")]) == [True]
    assert await index.collections() == []


async def test_names_come_in_pages(index: EmbeddedIndex) -> None:
    """In order."""
    await index.add([document(name, "x") for name in "cab"])

    assert await index.names("team", "docs", limit=2) == ["a", "b"]
    assert await index.names("team", "docs", after="b") == ["c"]


async def test_cursors_name_the_first_and_last_character(index: EmbeddedIndex) -> None:
    """Of the item that the section is in."""
    text = "# One\n\nÄpfel.\n\n# Two\n\nBirnen."
    await index.add([document("a", "Nothing.", text)])

    (hit,) = await search(index, "birnen")

    assert (hit.start, hit.end) == (TextCursor(1, 15), TextCursor(1, len(text) - 1))
    assert hit.content == text[hit.start.position : hit.end.position + 1]


async def test_nameless_documents_are_refused(index: EmbeddedIndex) -> None:
    """No route leads to them."""
    with pytest.raises(DaemonError, match="must not be empty") as caught:
        await index.add([document("", "x")])

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


@pytest.mark.parametrize("metadata", [b'{"a": "\xff"}', b"1" + b"0" * 400, b"[" * 500 + b"]" * 500])
async def test_metadata_that_cannot_be_kept_is_the_callers_mistake(
    index: EmbeddedIndex, metadata: bytes
) -> None:
    """Over HTTP, nobody looked into it before."""
    with pytest.raises(DaemonError, match="metadata") as caught:
        await index.add([NewDocument(path("a"), ["text"], metadata)])

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST
