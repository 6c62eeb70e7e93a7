"""
Ranks the sections of a collection by how near their embedding is to that of the query.

All vectors of a collection are kept in one matrix in memory: a product with 100,000 of them takes
tens of milliseconds and misses none, which an approximate index does. After a change only what is
new is read. Scores are cosines, below 0 counted as 0.
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
                old = _load(connection, collection, old, dimensions=dimensions)
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


def _load(
    connection: sqlite3.Connection, collection: Collection, old: Matrix | None, *, dimensions: int
) -> Matrix:
    if old is None or old.rows.shape[1] != dimensions:
        old = Matrix(-1, np.empty(0, np.int64), np.empty((0, dimensions), np.float32))
    ids = _ids(connection, collection)
    kept = np.isin(old.ids, ids)
    fresh = np.setdiff1d(ids, old.ids)
    rows = np.empty((len(ids), dimensions), np.float32)
    rows[np.isin(ids, old.ids)] = old.rows[kept]
    rows[np.isin(ids, fresh)] = _rows(connection, fresh, dimensions=dimensions)
    return Matrix(collection.version, ids, rows)


def _ids(connection: sqlite3.Connection, collection: Collection) -> _Ids:
    found = connection.execute(
        "SELECT id, vectors FROM document WHERE collection = ? AND vectors > 0 ORDER BY id",
        (collection.id,),
    ).fetchall()
    owners, counts = np.array(found, np.int64).reshape(-1, 2).T
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(owners << SHIFT, counts) + np.arange(len(firsts)) - firsts


def _rows(connection: sqlite3.Connection, ids: _Ids, *, dimensions: int) -> Vector:
    rows = np.empty((len(ids), dimensions), np.float32)
    for at, section in enumerate(ids.tolist()):
        (data,) = connection.execute(
            "SELECT data FROM vector WHERE section = ?", (section,)
        ).fetchone()
        row = np.frombuffer(data, np.float32)
        if len(row) != dimensions:
            raise DaemonError(
                ErrorKind.CSI_UPSTREAM,
                f"the collection holds embeddings of {len(row)} numbers, the model's have "
                f"{dimensions}: add its documents again with `skilld index add`",
            )
        rows[at] = row
    return rows
