"""Ranking by meaning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.csi import interface as csi
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.vectors import Matrix, similarities, unit
from daemon.errors import DaemonError
from tests.csi.search.embedded.conftest import LetterEmbeddings, document, found


class LongEmbeddings(LetterEmbeddings):
    """Those of another model."""

    def __init__(self) -> None:
        super().__init__(model="long")

    async def embed(self, texts: Sequence[str], caller: csi.Caller) -> Any:
        """One row per text."""
        return np.array([[text.count(one) for one in "abcde"] for text in texts], np.float32)


def test_similarity_is_the_cosine_but_never_negative() -> None:
    """Whatever the lengths."""
    rows = unit(np.array([[3, 0], [0, 2], [-1, 0], [0, 0]], np.float32))
    matrix = Matrix(1, np.arange(4), rows)

    assert similarities(matrix, np.array([1, 0], np.float32)).tolist() == [1, 0, 0, 0]


async def test_changes_are_seen_by_the_next_search(hybrid: EmbeddedIndex) -> None:
    """Those that add, replace and remove."""
    await hybrid.add([document("a", "aaaa"), document("b", "bbbb")])
    assert await found(hybrid, "a", name="semantic", min_score=0.1) == ["a"]

    await hybrid.add([document("c", "aab"), document("b", "aabb")])
    assert await found(hybrid, "a", name="semantic", min_score=0.1) == ["a", "c", "b"]

    await hybrid.remove([document("a", "").path])
    assert await found(hybrid, "a", name="semantic", min_score=0.1) == ["c", "b"]


async def test_vectors_of_another_length_can_not_be_compared(
    hybrid: EmbeddedIndex, tmp_path: Path
) -> None:
    """As after a change of the model: its documents have to be added again."""
    await hybrid.add([document("a", "aaaa")])
    changed = EmbeddedIndex(tmp_path / "hybrid", embeddings=LongEmbeddings())
    await changed.open()
    with pytest.raises(DaemonError, match="of 4 numbers, the model's have 5: add its documents"):
        await found(changed, "a")
    assert await changed.add([document("a", "aaaa")]) == ["replaced"]
    assert await found(changed, "a") == ["a"]
    await changed.close()


async def test_a_vector_of_zeros_is_near_to_nothing(hybrid: EmbeddedIndex) -> None:
    """As that of a text without any letter that the model knows."""
    await hybrid.add([document("none", "123"), document("x", "x")])

    assert await found(hybrid, "x", name="semantic", min_score=0.5) == ["x"]
