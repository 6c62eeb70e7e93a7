"""Files and the records beside them."""

import hashlib
from pathlib import Path

import pytest

from daemon.build_cache.files import temporary, write_checked
from daemon.build_cache.jobs import Written
from daemon.build_cache.shelf import Record, Shelf

NAME = "modules/one.cwasm"
CONTENT = b"native code" * 1000


def put(shelf: Shelf, root: Path, *, name: str = NAME, content: bytes = CONTENT) -> Path:
    """Put a file with its right record."""
    unfinished = temporary(root / name, "me")
    unfinished.write_bytes(content)
    record = Record(Written(hashlib.sha256(content).hexdigest(), len(content)))
    return shelf.put(name, unfinished, record, token="me")


def flip(file: Path) -> None:
    """Flip one bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def truncate(file: Path) -> None:
    """Lose the last byte."""
    file.write_bytes(file.read_bytes()[:-1])


def zero(file: Path) -> None:
    """What a crash leaves where data was never flushed."""
    file.write_bytes(bytes(file.stat().st_size))


def empty(file: Path) -> None:
    """Lose everything but the name."""
    file.write_bytes(b"")


def replace_by_directory(file: Path) -> None:
    """What no program of ours does."""
    file.unlink()
    (file / "below").mkdir(parents=True)


@pytest.mark.parametrize("damage", [flip, truncate, zero, empty, replace_by_directory])
@pytest.mark.parametrize("anew", [True, False], ids=["new process", "same process"])
def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: object, anew: bool) -> None:
    """It is kept for a look, and not handed out; nor is the next one of that name at fault."""
    shelf = Shelf(tmp_path)
    final = put(shelf, tmp_path)
    assert shelf.get(NAME)

    assert callable(damage)
    damage(final)
    shelf = Shelf(tmp_path) if anew else shelf

    assert shelf.get(NAME) is None
    assert not final.exists()
    assert (tmp_path / "quarantine" / final.name).exists()
    put(shelf, tmp_path)
    assert shelf.get(NAME)


@pytest.mark.parametrize("damage", [flip, truncate, zero, empty])
def test_a_damaged_record_vouches_for_nothing(tmp_path: Path, damage: object) -> None:
    """Records carry a checksum of their own."""
    final = put(Shelf(tmp_path), tmp_path)

    assert callable(damage)
    damage(final.with_name(final.name + ".json"))

    assert Shelf(tmp_path).get(NAME) is None


def test_a_file_without_record_was_never_finished(tmp_path: Path) -> None:
    """The record is written last."""
    final = put(Shelf(tmp_path), tmp_path)
    final.with_name(final.name + ".json").unlink()

    shelf = Shelf(tmp_path)
    shelf.sweep(living=())

    assert shelf.get(NAME) is None
    assert not final.exists()
    assert not (tmp_path / "quarantine").exists()


def test_unfinished_files_of_the_dead_are_swept(tmp_path: Path) -> None:
    """Those of the living are not."""
    dead, alive = temporary(tmp_path / NAME, "dead"), temporary(tmp_path / NAME, "alive")
    dead.touch()
    alive.touch()

    Shelf(tmp_path).sweep(living={"alive"})

    assert alive.exists()
    assert not dead.exists()


def test_files_are_listed_with_size_and_use(tmp_path: Path) -> None:
    """Looking at a file makes it recently used."""
    shelf = Shelf(tmp_path)
    put(shelf, tmp_path)
    put(shelf, tmp_path, name="modules/two.cwasm")
    shelf.get(NAME)

    by_use = sorted(shelf.entries(), key=lambda entry: entry.used)

    assert [entry.name for entry in by_use] == ["modules/two.cwasm", NAME]
    assert by_use[0].size == len(CONTENT)


def test_the_quarantine_is_small(tmp_path: Path) -> None:
    """Damage that comes back must not fill the disk."""
    shelf = Shelf(tmp_path)
    for number in range(5):
        flip(put(shelf, tmp_path, name=f"modules/{number}.cwasm"))
        shelf.get(f"modules/{number}.cwasm")

    assert len(list((tmp_path / "quarantine").iterdir())) == 2
    shelf.empty_quarantine()
    assert not list((tmp_path / "quarantine").iterdir())


def test_a_removed_file_stays_readable_for_those_who_have_it(tmp_path: Path) -> None:
    """Eviction only unlinks."""
    shelf = Shelf(tmp_path)
    with put(shelf, tmp_path).open("rb") as reader:
        shelf.remove(NAME)

        assert reader.read() == CONTENT
    assert shelf.get(NAME) is None
    assert not shelf.check(NAME)


@pytest.mark.parametrize("suffix", ["", ".json"], ids=["file", "record"])
def test_a_directory_in_the_way_is_cleared_away(tmp_path: Path, suffix: str) -> None:
    """Or the Skill could never be served again."""
    shelf = Shelf(tmp_path)
    final = put(shelf, tmp_path)
    replace_by_directory(final.with_name(final.name + suffix))
    put(shelf, tmp_path)
    assert shelf.get(NAME)

    for _ in range(2):  # the second time, there is one in quarantine
        replace_by_directory(final.with_name(final.name + suffix))
        assert shelf.get(NAME) is None
        put(shelf, tmp_path)
    assert shelf.get(NAME)
    shelf.empty_quarantine()
    assert list((tmp_path / "quarantine").iterdir()) == []


_DEEP = b'{"more": ' + b"[" * 100_000


@pytest.mark.parametrize(
    "lie",
    [b"", b"[]", b"{}", b'{"content": 3}', b'{"content": {"sha256": "0", "size": -1}}', _DEEP],
    ids=["nothing", "a list", "no content", "a number", "another hash", "depth"],
)
def test_a_record_that_lies_costs_its_file_only(tmp_path: Path, lie: bytes) -> None:
    """Though its own checksum is right: another version, or a stranger, wrote it."""
    shelf = Shelf(tmp_path)
    final = put(shelf, tmp_path)
    write_checked(final.with_name(f"{final.name}.json"), lie, "stranger")

    assert Shelf(tmp_path).get(NAME) is None
    assert not final.exists()
    put(shelf, tmp_path)
    assert shelf.get(NAME)
