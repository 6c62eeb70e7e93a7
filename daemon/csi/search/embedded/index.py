"""
The embedded index: the Document Index's functions on one machine, with no service.

A collection has three indexes: `fulltext` ranks by words, `semantic` by embeddings, and any other
name is the hybrid of both, so that Skills written for the index names of a real Document Index
find what they ask for. Without an embedding backend the hybrid is the full text.

Scores are from 0 to 1. The hybrid's is the mean of both parts. `min_score` is held against the
semantic part where there are embeddings, against the full-text score elsewhere.

Leaves out who may call (`api`), and where files come from (`index_commands`).
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from daemon.csi import interface as csi
from daemon.csi.search.embedded import documents, fulltext, vectors
from daemon.csi.search.embedded.database import Database
from daemon.csi.search.embedded.documents import Collection, Hit, Prepared
from daemon.csi.search.embedded.filters import Condition, condition
from daemon.csi.search.embedded.values import Change, CollectionSize, NewDocument
from daemon.csi.search.embedded.vectors import Matrices, Matrix, Vector
from daemon.errors import DaemonError, ErrorKind

_MAX_RESULTS = 1_000
_CANDIDATES = 100


class Embeddings(Protocol):
    """Turns texts into vectors."""

    @property
    def model(self) -> str:
        """Vectors of different models can't be compared."""
        ...

    async def embed(self, texts: Sequence[str], caller: csi.Caller) -> Vector:
        """One row per text. Raises DaemonError of the CSI_* kinds."""
        ...


@dataclass(frozen=True, slots=True)
class _Query:
    request: csi.SearchRequest
    limit: int
    vector: Vector | None

    @property
    def min_score(self) -> float:
        return self.request.min_score if self.request.min_score is not None else 0.0


class EmbeddedIndex:
    """See `csi.DocumentIndex`; besides, takes documents in. Owns the database."""

    def __init__(self, path: Path, *, embeddings: Embeddings | None = None) -> None:
        """*path* is the database's file; a directory gets one inside."""
        file = path / "index.sqlite3" if path.is_dir() or not path.suffix else path
        self._database = Database(file)
        self._embeddings = embeddings
        self._matrices = Matrices()

    async def open(self) -> None:
        """Create or check the file. Raises DaemonError(CONFIGURATION)."""
        await asyncio.to_thread(self._database.open)

    async def close(self) -> None:
        """Finish what runs."""
        await self._database.close()

    # Searching

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        """See `csi.DocumentIndex`; at most 1,000 results."""
        limit = min(request.max_results, _MAX_RESULTS)
        condition(request.filters, collection=0)  # refused before the query is embedded
        vector = await self._query_vector(request, caller)
        query = _Query(request, limit, vector)
        return await self._database.read(lambda connection: self._search(connection, query))

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        """See `csi.DocumentIndex`."""
        found = await self._database.read(lambda connection: documents.read(connection, path))
        if found is None:
            raise missing_document(path)
        return found

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        """See `csi.DocumentIndex`."""
        return (await self.document(path, caller)).metadata

    async def _query_vector(self, request: csi.SearchRequest, caller: csi.Caller) -> Vector | None:
        index = request.index_path.index
        if index == "fulltext" or (self._embeddings is None and index != "semantic"):
            return None
        if self._embeddings is None:
            raise DaemonError(
                ErrorKind.CSI_NOT_CONFIGURED,
                "the index 'semantic' needs embeddings: the operator has to set EMBEDDING_MODEL; "
                "the index 'fulltext' does without",
            )
        if not request.query.strip():
            return None
        (row,) = vectors.unit(await self._embeddings.embed([request.query], caller))
        return np.asarray(row, np.float32)

    def _search(self, connection: sqlite3.Connection, query: _Query) -> list[csi.SearchResult]:
        place = query.request.index_path
        collection = documents.find_collection(connection, place.namespace, place.collection)
        if collection is None:
            raise missing_collection(place.namespace, place.collection)
        wanted = condition(query.request.filters, collection=collection.id)
        if query.vector is None:
            hits = self._by_words(connection, collection, query, wanted)
        else:
            hits = self._by_meaning(connection, collection, query, wanted)
        found = documents.sections(connection, hits)
        return [
            csi.SearchResult(
                csi.DocumentPath(place.namespace, place.collection, name),
                section.content,
                hit.score,
                *documents.cursors(section),
            )
            for hit, (name, section) in zip(hits, found, strict=True)
        ]

    def _by_words(
        self,
        connection: sqlite3.Connection,
        collection: Collection,
        query: _Query,
        wanted: Condition | None,
    ) -> list[Hit]:
        if query.request.index_path.index == "semantic":
            return []  # an empty query means nothing
        hits = fulltext.search(
            connection, collection, query.request.query, condition=wanted, limit=query.limit
        )
        return [hit for hit in hits if hit.score >= query.min_score]

    def _by_meaning(
        self,
        connection: sqlite3.Connection,
        collection: Collection,
        query: _Query,
        wanted: Condition | None,
    ) -> list[Hit]:
        assert query.vector is not None
        matrix = self._matrices.get(connection, collection, dimensions=len(query.vector))
        near = vectors.similarities(matrix, query.vector)
        near[~vectors.allowed(connection, collection, matrix, wanted)] = -1.0
        near[near < query.min_score] = -1.0
        if query.request.index_path.index == "semantic":
            return _best(matrix, near, query.limit)
        count = max(query.limit, _CANDIDATES)
        by_words = fulltext.search(
            connection, collection, query.request.query, condition=wanted, limit=count
        )
        return fuse(matrix, near, by_words, min_score=query.min_score, limit=query.limit)

    # Taking documents in

    async def add(
        self, new: Sequence[NewDocument], caller: csi.Caller | None = None
    ) -> list[Change]:
        """
        Put documents in place of those of the same paths: all of them, or none.

        What is there already, with the same metadata and model, is left alone.
        """
        salt = self._embeddings.model if self._embeddings is not None else ""
        prepared = await asyncio.to_thread(_prepare, new, salt)
        paths = [one.path for one in prepared]
        old = await self._database.read(lambda c: documents.digests(c, paths))
        fresh = [one for one, was in zip(prepared, old, strict=True) if one.digest != was]
        if fresh:
            rows = await self._embed(fresh, caller or csi.Caller())
            await self._database.write(lambda c: _write(c, fresh, rows))
        return [_change(one, was) for one, was in zip(prepared, old, strict=True)]

    async def remove(self, paths: Sequence[csi.DocumentPath]) -> list[bool]:
        """Remove documents, all or none; False where there was none."""

        def work(connection: sqlite3.Connection) -> list[bool]:
            removed = [documents.remove(connection, path) for path in paths]
            for namespace, collection in {(path.namespace, path.collection) for path in paths}:
                documents.drop_empty(connection, namespace, collection)
            return removed

        return await self._database.write(work)

    async def names(
        self, namespace: str, collection: str, *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Names of documents in order, those greater than *after*. Raises CSI_NOT_FOUND."""
        found = await self._database.read(
            lambda c: documents.names(c, namespace, collection, after=after, limit=limit)
        )
        if found is None:
            raise missing_collection(namespace, collection)
        return found

    async def collections(self) -> list[CollectionSize]:
        """All collections, sorted."""
        return await self._database.read(documents.collections)

    async def _embed(self, fresh: Sequence[Prepared], caller: csi.Caller) -> list[Vector | None]:
        if self._embeddings is None:
            return [None] * len(fresh)
        texts = [section.content for one in fresh for section in one.sections]
        if not texts:
            return [None] * len(fresh)
        rows = vectors.unit(await self._embeddings.embed(texts, caller))
        ends = np.cumsum([len(one.sections) for one in fresh])
        return list(np.split(rows, ends[:-1]))


def fuse(
    matrix: Matrix, near: Vector, by_words: Sequence[Hit], *, min_score: float, limit: int
) -> list[Hit]:
    """
    The mean of both scores; *near* is negative where a section is out of the question.

    A section without a vector (added before there were embeddings) has its full-text part alone.
    """
    rows = np.searchsorted(matrix.ids, [hit.section for hit in by_words])
    scores = np.where(near >= 0, near / 2, near)
    others: list[Hit] = []
    for row, hit in zip(rows.tolist(), by_words, strict=True):
        known = row < len(matrix.ids) and matrix.ids[row] == hit.section
        if known and near[row] >= 0:
            scores[row] += hit.score / 2
        elif not known and hit.score >= min_score:
            others.append(Hit(hit.section, hit.score / 2))
    found = _best(matrix, scores, limit) + others
    return sorted(found, key=lambda hit: (-hit.score, hit.section))[:limit]


def _best(matrix: Matrix, scores: Vector, limit: int) -> list[Hit]:
    count = min(limit, len(scores))
    if count == 0:
        return []
    top = np.argpartition(scores, len(scores) - count)[len(scores) - count :]
    ordered = top[np.lexsort((matrix.ids[top], -scores[top]))]
    return [Hit(int(matrix.ids[row]), float(scores[row])) for row in ordered if scores[row] >= 0]


def missing_document(path: csi.DocumentPath) -> DaemonError:
    """What a caller hears who asks for a document that is not there."""
    return DaemonError(
        ErrorKind.CSI_NOT_FOUND,
        f"there is no document {path.name!r} in {path.namespace}/{path.collection}",
    )


def missing_collection(namespace: str, collection: str) -> DaemonError:
    """What a caller hears who asks for a collection that is not there."""
    return DaemonError(
        ErrorKind.CSI_NOT_FOUND,
        f"there is no collection {namespace}/{collection}: `skilld index add` makes it with its "
        "first document",
    )


def _prepare(new: Sequence[NewDocument], salt: str) -> list[Prepared]:
    latest = {one.path: one for one in new}  # named twice: the last one counts
    return [
        documents.prepare(one.path, one.contents, one.metadata, salt=salt)
        for one in latest.values()
    ]


def _write(
    connection: sqlite3.Connection, fresh: Sequence[Prepared], rows: Sequence[Vector | None]
) -> None:
    for one, matrix in zip(fresh, rows, strict=True):
        documents.write(connection, one, matrix)


def _change(document: Prepared, old: bytes | None) -> Change:
    if old is None:
        return "added"
    return "unchanged" if old == document.digest else "replaced"
