"""
Documents in and out of the embedded index: each function is one step of a transaction.

Blocking; `Database` runs them in threads. Leaves out searching (`fulltext`, `vectors`).
"""

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.csi.interface import Document, DocumentPath, Json, TextCursor
from daemon.csi.search.embedded.analysis import words
from daemon.csi.search.embedded.fields import Field, fields
from daemon.csi.search.embedded.sections import split
from daemon.csi.search.embedded.values import CollectionSize
from daemon.errors import DaemonError, ErrorKind

SHIFT = 16
_MAX_SECTIONS = 1 << SHIFT


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of a document, and where it stands."""

    item: int
    start: int
    end: int
    content: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be written; `digest` tells whether anything changed."""

    path: DocumentPath
    contents: tuple[str, ...]
    metadata: Json | None
    sections: tuple[Section, ...]
    fields: tuple[Field, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it is now. `version` grows with every change."""

    id: int
    sections: int
    words: int
    version: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A section with the score that a search gave it."""

    section: int
    score: float


def prepare(
    path: DocumentPath, contents: Sequence[str], metadata: Json | None, *, salt: str
) -> Prepared:
    """Split and flatten; *salt* names what else decides. Raises DaemonError(CSI_BAD_REQUEST)."""
    for part in (path.namespace, path.collection, path.name):
        if not part:
            raise _bad("namespace, collection and name of a document must not be empty")
    sections = tuple(
        Section(item, span.start, span.end - 1, text[span.start : span.end])
        for item, text in enumerate(contents)
        for span in split(text)
    )
    if len(sections) >= _MAX_SECTIONS:
        raise _bad(f"the document has more than {_MAX_SECTIONS - 1} sections: cut it into several")
    kept = None if metadata is None or metadata.strip() == b"null" else metadata
    found = tuple(fields(kept))
    identity = msgspec.json.encode([_checked(contents), kept and kept.decode(), salt])
    digest = hashlib.sha256(identity).digest()
    return Prepared(path, tuple(contents), kept, sections, found, digest)


def _checked(contents: Sequence[str]) -> Sequence[str]:
    try:
        "".join(contents).encode()
    except UnicodeEncodeError as error:
        raise _bad("the text holds half of a surrogate pair: send valid Unicode") from error
    return contents


def find_collection(connection: sqlite3.Connection, namespace: str, name: str) -> Collection | None:
    """Look a collection up."""
    row = connection.execute(
        "SELECT id, sections, words, version FROM collection WHERE namespace = ? AND name = ?",
        (namespace, name),
    ).fetchone()
    return Collection(*row) if row else None


def collections(connection: sqlite3.Connection) -> list[CollectionSize]:
    """All collections, sorted."""
    rows = connection.execute(
        "SELECT namespace, collection.name, count(document.id), sections FROM collection"
        " LEFT JOIN document ON document.collection = collection.id"
        " GROUP BY collection.id ORDER BY namespace, collection.name"
    )
    return [CollectionSize(*row) for row in rows]


def names(
    connection: sqlite3.Connection, namespace: str, collection: str, *, after: str, limit: int
) -> list[str] | None:
    """Names of documents in order, the first *limit* greater than *after*; None: no collection."""
    found = find_collection(connection, namespace, collection)
    if found is None:
        return None
    rows = connection.execute(
        "SELECT name FROM document WHERE collection = ? AND name > ? ORDER BY name LIMIT ?",
        (found.id, after, limit),
    )
    return [name for (name,) in rows]


def digests(connection: sqlite3.Connection, paths: Sequence[DocumentPath]) -> list[bytes | None]:
    """What is stored under each path now."""
    rows = [_row(connection, path, "document.digest") for path in paths]
    return [row[0] if row else None for row in rows]


def read(connection: sqlite3.Connection, path: DocumentPath) -> Document | None:
    """Fetch a document."""
    row = _row(connection, path, "contents, metadata")
    if row is None:
        return None
    contents = msgspec.json.decode(row[0], type=list[str])
    return Document(path, list(contents), row[1].encode() if row[1] is not None else None)


def write(
    connection: sqlite3.Connection, document: Prepared, vectors: NDArray[np.float32] | None
) -> None:
    """Put *document* in place of what has its path; *vectors* has one row per section."""
    remove(connection, document.path)
    path = document.path
    collection = find_collection(connection, path.namespace, path.collection) or _new(
        connection, path
    )
    metadata = document.metadata.decode() if document.metadata is not None else None
    contents = msgspec.json.encode(document.contents).decode()
    embedded = 0 if vectors is None else len(vectors)
    cursor = connection.execute(
        "INSERT INTO document (collection, name, vectors, digest, updated, metadata, contents)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (collection.id, path.name, embedded, document.digest, time.time(), metadata, contents),
    )
    assert cursor.lastrowid is not None
    count = _write_sections(connection, collection.id, cursor.lastrowid, document.sections)
    if vectors is not None:
        connection.executemany(
            "INSERT INTO vector VALUES (?, ?)",
            (((cursor.lastrowid << SHIFT) + n, row.tobytes()) for n, row in enumerate(vectors)),
        )
    connection.executemany(
        "INSERT OR IGNORE INTO field VALUES (?, ?, ?, ?, ?)",
        ((collection.id, f.path, f.kind, f.value, cursor.lastrowid) for f in document.fields),
    )
    _count(connection, collection.id, sections=len(document.sections), words=count)


def remove(connection: sqlite3.Connection, path: DocumentPath) -> bool:
    """Remove a document, and its collection when it was the last; False if there was none."""
    row = _row(connection, path, "document.id, document.collection")
    if row is None:
        return False
    document, collection = row
    span = (document << SHIFT, (document + 1) << SHIFT)
    old = connection.execute("SELECT id, content FROM section WHERE id >= ? AND id < ?", span)
    gone = [(section, " ".join(words(content))) for section, content in old]
    table = _table(collection)
    connection.executemany(
        f"INSERT INTO {table}({table}, rowid, content) VALUES ('delete', ?, ?)",
        gone,
    )
    connection.execute("DELETE FROM section WHERE id >= ? AND id < ?", span)
    connection.execute("DELETE FROM vector WHERE section >= ? AND section < ?", span)
    connection.execute("DELETE FROM field WHERE document = ?", (document,))
    connection.execute("DELETE FROM document WHERE id = ?", (document,))
    lost = sum(text.count(" ") + 1 for _, text in gone if text)
    _count(connection, collection, sections=-len(gone), words=-lost)
    return True


def drop_empty(connection: sqlite3.Connection, namespace: str, name: str) -> None:
    """Remove the collection if nothing is in it."""
    found = find_collection(connection, namespace, name)
    if found is None:
        return
    if connection.execute("SELECT 1 FROM document WHERE collection = ?", (found.id,)).fetchone():
        return
    connection.execute(f"DROP TABLE {_table(found.id)}_terms")
    connection.execute(f"DROP TABLE {_table(found.id)}")
    connection.execute("DELETE FROM collection WHERE id = ?", (found.id,))


def sections(connection: sqlite3.Connection, hits: Sequence[Hit]) -> list[tuple[str, Section]]:
    """The document's name and the section of each hit, in the order of *hits*."""
    query = (
        "SELECT document.name, item, start, stop, section.content FROM section"
        f" JOIN document ON document.id = section.id >> {SHIFT} WHERE section.id = ?"
    )
    rows = [connection.execute(query, (hit.section,)).fetchone() for hit in hits]
    return [(row[0], Section(*row[1:])) for row in rows]


def cursors(section: Section) -> tuple[TextCursor, TextCursor]:
    """The first and the last character of *section*."""
    return TextCursor(section.item, section.start), TextCursor(section.item, section.end)


def _write_sections(
    connection: sqlite3.Connection, collection: int, document: int, found: Sequence[Section]
) -> int:
    """Return the number of words."""
    ids = range(document << SHIFT, (document << SHIFT) + len(found))
    connection.executemany(
        "INSERT INTO section VALUES (?, ?, ?, ?, ?)",
        ((id_, s.item, s.start, s.end, s.content) for id_, s in zip(ids, found, strict=True)),
    )
    texts = [words(section.content) for section in found]
    connection.executemany(
        f"INSERT INTO {_table(collection)}(rowid, content) VALUES (?, ?)",
        ((id_, " ".join(text)) for id_, text in zip(ids, texts, strict=True)),
    )
    return sum(map(len, texts))


def _new(connection: sqlite3.Connection, path: DocumentPath) -> Collection:
    cursor = connection.execute(
        "INSERT INTO collection (namespace, name) VALUES (?, ?)", (path.namespace, path.collection)
    )
    assert cursor.lastrowid is not None
    table = _table(cursor.lastrowid)
    # The words come ready from `analysis`: this tokenizer only parts them at spaces.
    connection.execute(
        f"CREATE VIRTUAL TABLE {table} USING fts5(content, content='', tokenize='ascii')"
    )
    connection.execute(f"CREATE VIRTUAL TABLE {table}_terms USING fts5vocab('{table}', 'row')")
    return Collection(cursor.lastrowid, 0, 0, 0)


def _count(connection: sqlite3.Connection, collection: int, *, sections: int, words: int) -> None:
    """Add to the numbers of a collection."""
    connection.execute(
        "UPDATE collection SET sections = sections + ?, words = words + ?, version = version + 1"
        " WHERE id = ?",
        (sections, words, collection),
    )


def _row(
    connection: sqlite3.Connection, path: DocumentPath, columns: str
) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = connection.execute(
        f"SELECT {columns} FROM document"
        " JOIN collection ON collection.id = document.collection"
        " WHERE namespace = ? AND collection.name = ? AND document.name = ?",
        (path.namespace, path.collection, path.name),
    ).fetchone()
    return row


def _table(collection: int) -> str:
    return f"words_{collection}"


def _bad(text: str) -> DaemonError:
    return DaemonError(ErrorKind.CSI_BAD_REQUEST, text)
