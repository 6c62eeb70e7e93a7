"""The file survives what happens to processes."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from daemon.csi.search.embedded.database import Database
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.errors import DaemonError, ErrorKind
from tests.csi.search.embedded.conftest import CALLER, document, found, path

CHILD = Path(__file__).with_name("ingest_child.py")


async def test_a_killed_writer_leaves_whole_batches(tmp_path: Path) -> None:
    """Kill -9 in the middle: all documents are of one batch, and that is found by its words."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    for _ in range(5):
        last = await child.stdout.readline()
    child.kill()
    rest = (await child.stdout.read()).split()
    await child.wait()
    printed = int(rest[-1] if rest else last)

    index = EmbeddedIndex(tmp_path)
    await index.open()
    texts = {
        (await index.document(path(name), CALLER)).contents[0]
        for name in await index.names("team", "docs")
    }
    (text,) = texts
    assert text is not None
    batch = text.split()[0]

    assert batch in {f"batch{printed}", f"batch{printed + 1}"}
    assert set(await found(index, batch, limit=100)) == {"0", "1", "2", "3", "4"}
    assert await index.add([document("0", text)]) == ["unchanged"]
    await index.close()


async def test_searches_go_on_while_documents_are_added(index: EmbeddedIndex) -> None:
    """Each sees all of a batch or nothing of it."""
    await index.add([document("seed", "seed")])

    async def write() -> None:
        for batch in range(20):
            await index.add([document(f"{batch} {n}", "word") for n in range(10)])

    async with asyncio.TaskGroup() as group:
        writer = group.create_task(write())
        counts = []
        while not writer.done():
            counts.append(len(await found(index, "word", limit=1000)))

    assert counts == sorted(counts)
    assert all(count % 10 == 0 for count in counts)


async def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    """As the command line and the daemon."""
    one, two = EmbeddedIndex(tmp_path), EmbeddedIndex(tmp_path)
    await asyncio.gather(one.open(), two.open())

    await asyncio.gather(
        *(one.add([document(f"one {n}", "word")]) for n in range(20)),
        *(two.add([document(f"two {n}", "word")]) for n in range(20)),
    )

    assert len(await found(one, "word", limit=100)) == 40
    await asyncio.gather(one.close(), two.close())


async def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE precious (x)")
    connection.close()
    database = Database(file)

    with pytest.raises(DaemonError, match="no embedded index") as caught:
        database.open()

    assert caught.value.kind is ErrorKind.CONFIGURATION
    await database.close()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """With its path."""
    file = tmp_path / "text.db"
    file.write_text("not a database at all, but a text of some length" * 50)
    database = Database(file)

    with pytest.raises(DaemonError, match=r"text\.db can't be opened"):
        database.open()

    await database.close()


async def test_a_failing_step_undoes_all(index: EmbeddedIndex) -> None:
    """A text that can't be stored leaves the documents beside it out as well."""
    with pytest.raises(DaemonError, match="surrogate") as caught:
        await index.add([document("good", "word"), document("\ud800", "word")])

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST
    assert await index.collections() == []


def owe(connection: sqlite3.Connection) -> None:
    """Write what can't be committed: a reference that leads nowhere."""
    connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
    connection.execute(
        "CREATE TABLE other (one INTEGER REFERENCES one DEFERRABLE INITIALLY DEFERRED)"
    )
    connection.execute("INSERT INTO other VALUES (1)")


async def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path) -> None:
    """As on a full disk: all later writes would fail."""
    database = Database(tmp_path / "index.sqlite3")
    database.open()

    def check(connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")  # within a transaction the next line has no effect
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")

    await database.write(check)
    for _ in range(2):
        with pytest.raises(DaemonError, match="FOREIGN KEY"):
            await database.write(owe)

    await database.close()


async def test_a_full_disk_is_called_full(tmp_path: Path) -> None:
    """SQLite gives the transaction up by itself then."""
    database = Database(tmp_path / "index.sqlite3")
    database.open()
    blob = b"x" * (1 << 20)

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 100")
        connection.execute("INSERT INTO vector VALUES (1, ?)", (blob,))

    for _ in range(2):
        with pytest.raises(DaemonError, match="full"):
            await database.write(fill)

    await database.close()
