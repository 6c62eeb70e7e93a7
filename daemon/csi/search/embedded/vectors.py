"""
Ranks the sections of a collection by how near their embedding is to that of the query.

All vectors of a collection are kept in one matrix in memory: a product with 100,000 of them takes
ten to twenty milliseconds and misses none, which an approximate index does. After a change it is
read anew, in a tenth of a second or two. Scores are cosines, below 0 counted as 0.
"""

import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.csi.search.embedded.documents import SHIFT, Collection
from daemon.csi.search.embedded.filters import Condition
from daemon.csi.search.embedded.fulltext import documents
from daemon.errors import DaemonError, ErrorKind

Vector = NDArray[np.float32]
_Ids = NDArray[np.int64]

_NUMBER = 4  # bytes of a float32


@dataclass(frozen=True, slots=True)
class Matrix:
    """Row by row the unit vectors of sections, whose ids ascend."""

    version: int
    ids: _Ids
    rows: Vector


def unit(vectors: Vector) -> Vector:
    """Scale each row to length 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


class Matrices:
    """Owns the matrices of the collections last searched, *budget* bytes of them together."""

    def __init__(self, *, budget: int = 2 << 30) -> None:
        self._budget = budget
        self._kept: OrderedDict[int, Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, connection: sqlite3.Connection, collection: Collection, *, dimensions: int
    ) -> Matrix:
        """Return the matrix as of *collection*'s version; blocking. Others wait while it loads."""
        with self._lock:
            old = self._kept.pop(collection.id, None)
            if old is None or old.version != collection.version or old.rows.shape[1] != dimensions:
                old = _load(connection, collection, dimensions=dimensions)
            self._kept[collection.id] = old
            while len(self._kept) > 1 and self._size() > self._budget:
                self._kept.popitem(last=False)
            return old

    def _size(self) -> int:
        return sum(matrix.rows.nbytes for matrix in self._kept.values())


def similarities(matrix: Matrix, query: Vector) -> Vector:
    """The score of each row."""
    found: Vector = np.clip(matrix.rows @ query, 0.0, 1.0)
    return found


def allowed(
    connection: sqlite3.Connection,
    collection: Collection,
    matrix: Matrix,
    condition: Condition | None,
) -> NDArray[np.bool_]:
    """Which rows belong to documents that fulfil *condition*."""
    if condition is None:
        return np.ones(len(matrix.ids), dtype=np.bool_)
    found = connection.execute(documents(condition), (collection.id, *condition.parameters))
    return np.isin(matrix.ids >> SHIFT, np.fromiter((one for (one,) in found), dtype=np.int64))


def _load(connection: sqlite3.Connection, collection: Collection, *, dimensions: int) -> Matrix:
    """Read all of it: to complete an old one means to copy that, which takes longer."""
    owners = connection.execute(
        "SELECT id, vectors FROM document WHERE collection = ? AND vectors > 0 ORDER BY id",
        (collection.id,),
    ).fetchall()
    total = sum(count for _, count in owners)
    ids, rows = np.empty(total, np.int64), np.empty((total, dimensions), np.float32)
    start = 0
    for owner, count in owners:
        first, end = owner << SHIFT, start + count
        ids[start:end] = np.arange(first, first + count)
        rows[start:end] = _rows(connection, first, count, dimensions=dimensions)
        start = end
    return Matrix(collection.version, ids, rows)


def _rows(connection: sqlite3.Connection, first: int, count: int, *, dimensions: int) -> Vector:
    """The vectors of one document, whose sections are numbered from *first*."""
    found = connection.execute(
        "SELECT data FROM vector WHERE section BETWEEN ? AND ? ORDER BY section",
        (first, first + count - 1),
    ).fetchall()
    for (data,) in found:
        if len(data) != dimensions * _NUMBER:
            raise DaemonError(
                ErrorKind.CSI_UPSTREAM,
                f"the collection holds embeddings of {len(data) // _NUMBER} numbers, the model's "
                f"have {dimensions}: add its documents again with `skilld index add`",
            )
    joined = np.frombuffer(b"".join(data for (data,) in found), np.float32)
    return joined.reshape(count, dimensions)
