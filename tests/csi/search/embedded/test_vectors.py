"""Ranking by meaning."""

import numpy as np

from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.vectors import Matrix, similarities, unit
from tests.csi.search.embedded.conftest import document, found


def test_similarity_is_the_cosine_but_never_negative() -> None:
    """Whatever the lengths."""
    rows = unit(np.array([[3, 0], [0, 2], [-1, 0], [0, 0]], np.float32))
    matrix = Matrix(1, np.arange(4), rows)

    assert similarities(matrix, np.array([1, 0], np.float32)).tolist() == [1, 0, 0, 0]


async def test_changes_are_seen_by_the_next_search(hybrid: EmbeddedIndex) -> None:
    """Those that add, replace and remove; the matrix is only completed."""
    await hybrid.add([document("a", "aaaa"), document("b", "bbbb")])
    assert await found(hybrid, "a", name="semantic", min_score=0.1) == ["a"]

    await hybrid.add([document("c", "aab"), document("b", "aabb")])
    assert await found(hybrid, "a", name="semantic", min_score=0.1) == ["a", "c", "b"]

    await hybrid.remove([document("a", "").path])
    assert await found(hybrid, "a", name="semantic", min_score=0.1) == ["c", "b"]


async def test_a_vector_of_zeros_is_near_to_nothing(hybrid: EmbeddedIndex) -> None:
    """As that of a text without any letter that the model knows."""
    await hybrid.add([document("none", "123"), document("x", "x")])

    assert await found(hybrid, "x", name="semantic", min_score=0.5) == ["x"]
