"""Ranking by words, with bounded work."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.csi import interface as csi
from daemon.csi.search.embedded.documents import Collection
from daemon.csi.search.embedded.fulltext import Word, choose, score
from daemon.csi.search.embedded.index import EmbeddedIndex
from tests.csi.search.embedded.conftest import document, found, search


async def test_rare_words_weigh_more(index: EmbeddedIndex) -> None:
    """And a document with all words comes first."""
    await index.add(
        [
            document("common", "the cat"),
            document("rare", "the axolotl"),
            document("both", "the axolotl cat"),
            *(document(f"other {n}", "the cat and the dog") for n in range(5)),
        ]
    )

    assert (await found(index, "cat axolotl"))[:2] == ["both", "rare"]


async def test_scores_are_shares(index: EmbeddedIndex) -> None:
    """From 0 to 1; `min_score` drops what is below."""
    await index.add([document(str(n), f"word{n} " * 3) for n in range(10)])

    (one,) = await search(index, "word1 word2 word3 word4", limit=1)

    assert 0 < one.score < 0.6
    assert await found(index, "word1 word2", min_score=0.99) == []


async def test_a_lone_document_is_found_by_its_words(index: EmbeddedIndex) -> None:
    """Although every word of it is in every document."""
    await index.add([document("only", "A lone cat.")])

    (hit,) = await search(index, "cat", min_score=0.2)

    assert hit.document_path.name == "only"
    assert await found(index, "dog") == []


async def test_frequent_words_fill_up_what_rare_ones_leave(
    index: EmbeddedIndex,
) -> None:
    """The rare ones come first; a filter that the rare ones miss finds the frequent ones."""
    many = [document(f"{n}", *["common"] * 300, metadata={"n": n}) for n in range(30)]
    await index.add([*many, document("rare", "common rare", metadata={"n": -1})])
    last = csi.SearchFilter("with-all", [csi.MetadataFilter("n", "equal-to", 29)])

    assert (await found(index, "common rare", limit=5))[0] == "rare"
    assert len(await found(index, "common rare", limit=5)) == 5
    assert set(await found(index, "common rare", filters=[last])) == {"29"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text())
async def test_no_query_is_a_syntax_error(index: EmbeddedIndex, query: str) -> None:
    """A query is what a user typed, not a language."""
    await index.add([document("a", "AND OR NOT NEAR")])

    await found(index, query)
    await found(index, f'"{query}* AND NEAR(')


@pytest.mark.timeout(10)
async def test_a_long_query_takes_no_time(index: EmbeddedIndex) -> None:
    """To normalize all of this would stop every other thread for half a minute."""
    await index.add([document("a", "word")])

    assert await found(index, "word a" + "\u0301\u0316" * 80_000) == ["a"]


def test_rare_words_choose_what_is_scored() -> None:
    """A frequent word is left out beside rarer ones, alone it is taken."""
    rare, some, many, the = Word("a", 10), Word("b", 7_000), Word("c", 9_000), Word("d", 90_000)

    assert choose([the, rare, some, many, Word("none", 0)]) == [rare, some]
    assert choose([the]) == [the]
    assert choose([Word("none", 0)]) == []


def test_a_section_of_ordinary_length_with_all_words_scores_one() -> None:
    """Words that nobody has count as missing."""
    collection = Collection(id=1, sections=100, words=300, version=1)
    counted = [Word("a", 3), Word("b", 50)]

    assert score(["a", "b", "c"], counted, collection) == pytest.approx(1.0)
    assert score(["a", "c", "c"], counted, collection) < 1.0
    assert score(["a", "b", "c"], [*counted, Word("none", 0)], collection) < 0.6
