"""
The SQLite file of the embedded index: its tables, its connections, its threads.

SQLite with FTS5: in every Python of Debian and of python.org, no dependency of ours, kept for
decades to come, and the one candidate with transactions over text, metadata and vectors together.
tantivy's Python binding has one maintainer, and its index would be a second store to keep in step;
whoosh is abandoned; xapian is no package for pip.

In WAL mode many read while one writes, in other processes too (`skilld index add` beside the
daemon). A commit survives a crash and a power cut. Leaves out what is read and written.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import LifoQueue
from typing import TypeVar

from daemon.errors import DaemonError, ErrorKind

_T = TypeVar("_T")

_APPLICATION = 0x736B6C64  # "skld": this file is ours
_VERSION = 1
_PAUSE = 0.01  # seconds between two tries to switch the journal
_SCHEMA = """
CREATE TABLE collection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    sections INTEGER NOT NULL DEFAULT 0,
    words INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (namespace, name)
);
CREATE TABLE document (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    name TEXT NOT NULL,
    vectors INTEGER NOT NULL, -- how many of its sections have one: all, or 0
    digest BLOB NOT NULL,
    updated REAL NOT NULL,
    metadata TEXT,
    contents TEXT NOT NULL,
    UNIQUE (collection, name)
);
CREATE INDEX document_vectors ON document (collection, id, vectors);
-- A section's id is its document's, shifted by 16 bits, plus its number in it.
CREATE TABLE section (
    id INTEGER PRIMARY KEY,
    item INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE vector (section INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE field (
    collection INTEGER NOT NULL,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    value NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (collection, path, kind, value, document)
) WITHOUT ROWID;
CREATE INDEX field_document ON field (document);
"""


class Database:
    """Owns all connections; reads run in a few threads, writes one after the other."""

    def __init__(self, path: Path, *, readers: int = 4, patience: float = 30.0) -> None:
        """*patience*: seconds to wait while another process writes."""
        self._path = path
        self._patience = patience
        self._free: LifoQueue[sqlite3.Connection] = LifoQueue()
        self._count = readers
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="index-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="index-write")
        self._writing: sqlite3.Connection | None = None

    def open(self) -> None:
        """Create or check the file; blocking. Raises DaemonError(CONFIGURATION)."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writing = self._connect()
            _prepare(self._writing, self._path)
            for _ in range(self._count):
                self._free.put(self._connect())
        except (sqlite3.Error, OSError) as error:
            raise DaemonError(
                ErrorKind.CONFIGURATION, f"the embedded index {self._path} can't be opened: {error}"
            ) from error

    async def close(self) -> None:
        """Wait for what runs, then close the file. Closing twice is fine."""
        await asyncio.to_thread(self._close)

    async def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run *work* in a thread, on one consistent state of all tables."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run *work* in the writing thread: all of it happens, or nothing."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._write, work)

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._free.get()
        try:
            return _transact(connection, work, begin="BEGIN")
        finally:
            self._free.put(connection)

    def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        assert self._writing is not None, "open() comes first"
        return _transact(self._writing, work, begin="BEGIN IMMEDIATE")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            _use_wal(connection, self._patience)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("PRAGMA mmap_size = 1073741824")
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        while not self._free.empty():
            self._free.get().close()
        if self._writing is not None:
            self._writing.close()
            self._writing = None


def _use_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch the journal; two that do so on a new file hear "locked" at once, without waiting."""
    ends = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= ends:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _transact(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T], *, begin: str
) -> _T:
    try:
        connection.execute(begin)
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # not so after a full disk: SQLite gave it up
                connection.execute("ROLLBACK")
            raise
    except UnicodeEncodeError as error:
        raise DaemonError(
            ErrorKind.CSI_BAD_REQUEST, "a text holds half of a surrogate pair: send valid Unicode"
        ) from error
    except sqlite3.Error as error:
        raise DaemonError(ErrorKind.CSI_UPSTREAM, f"the embedded index failed: {error}") from error
    return result


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two processes may come at once
    with closing(connection.execute("PRAGMA user_version")) as rows:
        (version,) = rows.fetchone()
    with closing(connection.execute("PRAGMA application_id")) as rows:
        (application,) = rows.fetchone()
    if (application, version) == (0, 0) and not _has_tables(connection):
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        application, version = _APPLICATION, _VERSION
    connection.execute("COMMIT")
    if (application, version) != (_APPLICATION, _VERSION):
        raise DaemonError(
            ErrorKind.CONFIGURATION,
            f"{path} is no embedded index that this version can read (format {version}, "
            f"wanted {_VERSION}): name another path in DOCUMENT_INDEX_URL and add the documents",
        )


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
