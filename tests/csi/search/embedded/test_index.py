"""The whole of it: which index ranks how, and what is not there."""

from pathlib import Path

import pytest

from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.errors import DaemonError, ErrorKind
from tests.csi.search.embedded.conftest import (
    CALLER,
    LetterEmbeddings,
    document,
    found,
    path,
    search,
)


async def test_hybrid_is_the_mean_of_both(hybrid: EmbeddedIndex) -> None:
    """Both parts count."""
    await hybrid.add([document("both", "xa xa"), document("near", "xxaa"), document("far", "bc")])

    by_name = {hit.document_path.name: hit.score for hit in await search(hybrid, "xa")}

    assert by_name["both"] > by_name["near"] > by_name["far"] == 0
    assert by_name["near"] == pytest.approx(0.5)


async def test_min_score_is_held_against_the_meaning(hybrid: EmbeddedIndex) -> None:
    """A section with the word, but of another meaning, is dropped."""
    await hybrid.add([document("word", "x bbbbbbbbbb"), document("near", "xxxxx")])

    assert await found(hybrid, "x", min_score=0.5) == ["near"]
    assert set(await found(hybrid, "x")) == {"word", "near"}
    assert await found(hybrid, "x", name="fulltext") == ["word"]


async def test_documents_without_vectors_are_found_by_their_words(tmp_path: Path) -> None:
    """And get vectors when they are added again, though they did not change."""
    index = EmbeddedIndex(tmp_path)
    await index.open()
    await index.add([document("a", "abc word")])
    await index.close()
    index = EmbeddedIndex(tmp_path, embeddings=LetterEmbeddings())
    await index.open()

    assert await found(index, "word") == ["a"]
    assert await found(index, "word", name="semantic") == []
    assert await index.add([document("a", "abc word")]) == ["replaced"]
    assert await found(index, "a", name="semantic") == ["a"]
    await index.close()


async def test_only_new_texts_are_embedded(tmp_path: Path) -> None:
    """Embedding costs money."""
    embeddings = LetterEmbeddings()
    index = EmbeddedIndex(tmp_path, embeddings=embeddings)
    await index.open()
    await index.add([document("a", "a")])

    await index.add([document("a", "a"), document("b", "b")])

    assert embeddings.asked == 2
    await index.close()


async def test_semantic_needs_embeddings(index: EmbeddedIndex) -> None:
    """The text says what to set."""
    with pytest.raises(DaemonError, match="EMBEDDING_MODEL") as caught:
        await search(index, "x", name="semantic")

    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED


async def test_what_is_not_there_is_told(index: EmbeddedIndex) -> None:
    """Collections and documents."""
    with pytest.raises(DaemonError, match="no collection team/docs") as caught:
        await search(index, "x")
    assert caught.value.kind is ErrorKind.CSI_NOT_FOUND

    with pytest.raises(DaemonError, match="no document 'a' in team/docs"):
        await index.document(path("a"), CALLER)
    with pytest.raises(DaemonError, match="no collection"):
        await index.names("team", "docs")


async def test_results_are_as_many_as_asked_for(index: EmbeddedIndex) -> None:
    """None for none; an empty query finds nothing."""
    await index.add([document(str(n), "word") for n in range(5)])

    assert len(await found(index, "word", limit=3)) == 3
    assert await found(index, "word", limit=0) == []
    assert await found(index, "") == []
