"""An index in a temporary directory, and short ways to fill and ask it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from daemon.csi import interface as csi
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.values import NewDocument

CALLER = csi.Caller()


def path(name: str, collection: str = "docs") -> csi.DocumentPath:
    """A path in the namespace `team`."""
    return csi.DocumentPath("team", collection, name)


def document(name: str, *contents: str, metadata: Any = None) -> NewDocument:
    """A document in the collection `docs`."""
    return NewDocument(path(name), contents, msgspec.json.encode(metadata))


async def search(
    index: EmbeddedIndex,
    query: str,
    *,
    name: str = "hybrid",
    limit: int = 10,
    min_score: float | None = None,
    filters: Sequence[csi.SearchFilter] = (),
) -> list[csi.SearchResult]:
    """Ask the collection `docs`."""
    place = csi.IndexPath("team", "docs", name)
    return await index.search(
        csi.SearchRequest(place, query, limit, min_score, list(filters)), CALLER
    )


async def found(index: EmbeddedIndex, query: str, **options: Any) -> list[str]:
    """The names of the documents, best first."""
    return [hit.document_path.name for hit in await search(index, query, **options)]


@dataclass
class LetterEmbeddings:
    """A vector is how often each of a few letters occurs."""

    model: str = "letters"
    asked: int = 0

    async def embed(self, texts: Sequence[str], caller: csi.Caller) -> Any:
        """One row per text."""
        self.asked += len(texts)
        return np.array([[text.count(one) for one in "abcx"] for text in texts], np.float32)


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    """Full text only."""
    index = EmbeddedIndex(tmp_path / "index")
    await index.open()
    yield index
    await index.close()


@pytest.fixture
async def hybrid(tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    """With embeddings."""
    index = EmbeddedIndex(tmp_path / "hybrid", embeddings=LetterEmbeddings())
    await index.open()
    yield index
    await index.close()
