"""Writes that survive, reads that notice."""

import errno
from pathlib import Path

import pytest

from daemon.build_cache.files import (
    cache_errors,
    publish,
    read_checked,
    sha256_of,
    temporary,
    write_checked,
)
from daemon.errors import DaemonError, ErrorKind


def test_small_files_come_back(tmp_path: Path) -> None:
    """In directories that are made on the way."""
    write_checked(tmp_path / "a" / "b", b"content\nof lines", "me")

    assert read_checked(tmp_path / "a" / "b") == b"content\nof lines"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


@pytest.mark.parametrize("position", [0, 30, 64, 65, 70])
def test_a_flipped_bit_is_noticed(tmp_path: Path, position: int) -> None:
    """In the checksum or in the content."""
    file = tmp_path / "state"
    write_checked(file, b"some content", "me")
    damaged = bytearray(file.read_bytes())
    damaged[position] ^= 1
    file.write_bytes(damaged)

    assert read_checked(file) is None


def test_a_missing_or_empty_file_is_nothing(tmp_path: Path) -> None:
    """As if it had never been written."""
    (tmp_path / "empty").touch()

    assert read_checked(tmp_path / "missing") is None
    assert read_checked(tmp_path / "empty") is None


def test_a_published_file_replaces_the_old_one(tmp_path: Path) -> None:
    """Whoever has the old one open keeps it."""
    final = tmp_path / "file"
    final.write_bytes(b"old")
    with final.open("rb") as reader:
        unfinished = temporary(final, "me")
        unfinished.write_bytes(b"new")
        publish(unfinished, final)

        assert reader.read() == b"old"
    assert final.read_bytes() == b"new"
    assert sha256_of(final) == "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "free some disk space"),
        (errno.EROFS, "mount it writable"),
        (errno.EACCES, "give it to the user"),
        (errno.EIO, "check the disk"),
    ],
)
def test_errors_of_the_disk_name_the_way_out(number: int, way_out: str) -> None:
    """An operator reads them."""
    with pytest.raises(DaemonError, match=way_out) as caught, cache_errors(Path("/cache")):
        raise OSError(number, "no")

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE
    assert "/cache" in caught.value.detail
