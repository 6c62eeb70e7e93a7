"""The file that a component is received into."""

import hashlib
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.sink import Sink


def test_it_appears_at_its_destination_complete(tmp_path: Path) -> None:
    """Not before `commit`."""
    sink = Sink(tmp_path / "a")
    sink.write(b"one")
    sink.write(b"two")
    assert not (tmp_path / "a").exists()

    sink.commit()
    sink.close()

    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert sink.digest.hex == hashlib.sha256(b"onetwo").hexdigest()


def test_without_commit_nothing_stays(tmp_path: Path) -> None:
    """Not even a partial file."""
    sink = Sink(tmp_path / "a")
    sink.write(b"one")
    sink.close()

    assert not list(tmp_path.iterdir())


def test_one_that_was_never_written_to_leaves_nothing_open(tmp_path: Path) -> None:
    """A transfer may end before it began."""
    Sink(tmp_path / "a").close()
    prepared = Sink(tmp_path / "b")
    prepared.prepare()
    prepared.close()

    assert not list(tmp_path.iterdir())


def test_a_restart_forgets(tmp_path: Path) -> None:
    """Size, digest and content."""
    sink = Sink(tmp_path / "a")
    sink.write(b"something long")
    sink.restart()
    sink.write(b"new")
    sink.commit()

    assert (tmp_path / "a").read_bytes() == b"new"
    assert sink.size == 3


def test_a_full_disk_has_its_own_kind(tmp_path: Path) -> None:
    """It is the cache's trouble, not the registry's."""
    (tmp_path / ".a.part").symlink_to("/dev/full")
    sink = Sink(tmp_path / "a")

    with pytest.raises(DaemonError, match="No space left") as caught:
        sink.write(bytes(1 << 20))
    sink.close()

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE
