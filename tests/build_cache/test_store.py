"""The cache on disk, by its promises."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.build_cache.jobs import Shared, Written
from daemon.build_cache.key import Build
from daemon.build_cache.shelf import CompiledSkill, Record
from daemon.build_cache.store import Store
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.skill import Description, Failure, SkillKind, SkillMetadata, World

BUILD = Build(wasmtime="50.0.1", target="x86_64-linux", cpu="abc")
MEMORY = 2 << 16
CONTENT = b"a component" * 100
MODULE = "b" * 64


def digest(letter: str = "a") -> Digest:
    """A digest."""
    return Digest("sha256:" + letter * 64)


def opened(root: Path, *, budget: int = 1 << 30, build: Build = BUILD) -> Store:
    """An open store."""
    store = Store(root, budget=budget, build=build)
    store.open()
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    store = opened(tmp_path / "cache")
    yield store
    store.close()


def pull(store: Store, letter: str = "a", content: bytes = CONTENT) -> Path:
    """Put a component into the store, the way that an installation does."""
    pulled = store.component_destination(digest(letter))
    pulled.write_bytes(content)
    return store.adopt_component(digest(letter), pulled)


def compile_split(store: Store, letter: str = "a") -> None:
    """Put a split Skill and its module into the store, the way that the precompiler does."""
    content = Written(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    module = store.module_destination(MODULE)
    module.write_bytes(CONTENT)
    store.adopt_module(MODULE, module, content)
    skill = CompiledSkill(
        World.V0_3, SkillKind.FUNCTION, [Shared("name", MODULE)], strings=True, memories=[MEMORY]
    )
    component = store.artifact_destination(digest(letter), "split")
    component.write_bytes(CONTENT)
    store.adopt_artifact(digest(letter), "split", component, Record(content, skill))


def test_a_component_is_found_by_its_digest(store: Store) -> None:
    """Also by the next process."""
    assert store.component(digest()) is None

    path = pull(store)

    assert path.read_bytes() == CONTENT
    assert store.component(digest()) == path
    assert opened(path.parent.parent).component(digest()) == path


def test_a_split_skill_comes_with_its_modules(store: Store) -> None:
    """All that a worker must know to load it."""
    compile_split(store)

    artifact = store.artifact(digest(), "split")

    assert artifact is not None
    assert artifact.variant == "split"
    assert artifact.strings
    assert artifact.memories == (MEMORY,)
    assert [name for name, _ in artifact.shared] == ["name"]
    assert all(path.read_bytes() == CONTENT for path in artifact.files)
    assert store.artifact(digest(), "whole") is None


def test_a_skill_that_could_not_be_split_is_whole(store: Store) -> None:
    """It need not be compiled again to be served whole."""
    content = Written(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    skill = CompiledSkill(World.V0_3, SkillKind.FUNCTION, [], strings=False, memories=[MEMORY])
    component = store.artifact_destination(digest(), "split")
    component.write_bytes(CONTENT)
    store.adopt_artifact(digest(), "split", component, Record(content, skill))

    whole = store.artifact(digest(), "whole")

    assert whole is not None
    assert whole == store.artifact(digest(), "split")
    assert whole.variant == "whole"


def test_a_skill_without_its_module_is_compiled_again(store: Store) -> None:
    """Half an artifact is none."""
    compile_split(store)
    module = store.module(MODULE)
    assert module is not None

    module.unlink()

    assert store.artifact(digest(), "split") is None


def test_another_build_finds_nothing(store: Store, tmp_path: Path) -> None:
    """After an upgrade the old native code is not even looked at; components stay."""
    pull(store)
    compile_split(store)

    upgraded = opened(tmp_path / "cache", build=Build("51.0.0", "x86_64-linux", "abc"))

    assert upgraded.artifact(digest(), "split") is None
    assert upgraded.component(digest()) is not None


def test_the_least_recently_used_goes_when_space_is_short(tmp_path: Path) -> None:
    """Pinned files stay, and so does what was just added."""
    store = opened(tmp_path, budget=3 * len(CONTENT))
    pinned = pull(store, "a")
    store.pin("test", [pinned])
    for letter in "bcde":
        pull(store, letter)

    assert [letter for letter in "abcde" if store.component(digest(letter))] == ["a", "d", "e"]

    store.unpin("test")
    store.component(digest("d"))
    store.component(digest("e"))
    pull(store, "f")

    assert not pinned.exists()


def test_a_component_larger_than_the_budget_is_kept_while_it_is_new(tmp_path: Path) -> None:
    """Or it could never be compiled."""
    store = opened(tmp_path, budget=10)

    assert pull(store).exists()
    pull(store, "b")
    assert store.component(digest("a")) is None


def test_what_another_process_pins_stays(tmp_path: Path) -> None:
    """Two may share a directory, for example during a rolling restart."""
    old, new = opened(tmp_path), opened(tmp_path, budget=10)
    served = pull(old)
    old.pin("test", [served])

    pull(new, "b")
    assert new.prune() == [f"components/{'b' * 64}.wasm"]
    assert served.exists()

    old.close()
    new.prune()
    assert not served.exists()


def test_metadata_and_failures_are_remembered(store: Store) -> None:
    """By digest."""
    assert store.description(digest()) is None

    store.put_description(digest(), Description(SkillMetadata("says hello", {"type": "object"})))
    store.put_description(digest("b"), Description(failure=Failure("skill-trapped", "it trapped")))

    known, failed = store.description(digest()), store.description(digest("b"))
    assert known is not None
    assert known.metadata == SkillMetadata("says hello", {"type": "object"})
    assert failed is not None
    assert failed.failure == Failure("skill-trapped", "it trapped")


def test_metadata_goes_with_the_last_file_of_its_skill(tmp_path: Path) -> None:
    """Or each version ever deployed would leave some."""
    store = opened(tmp_path, budget=2 * len(CONTENT))
    for letter in "ab":
        pull(store, letter)
        store.put_description(digest(letter), Description(SkillMetadata(letter)))

    pull(store, "c")

    assert store.description(digest("a")) is None
    assert store.description(digest("b")) is not None
    store.prune()
    assert list((tmp_path / "metadata").iterdir()) == []


def test_state_is_replaced_in_one_step_and_checked(store: Store, tmp_path: Path) -> None:
    """Last-known-good, for example."""
    assert store.read_state("good") is None

    store.write_state("good", b"one")
    store.write_state("good", b"two")
    assert store.read_state("good") == b"two"

    (tmp_path / "cache" / "state" / "good").write_bytes(b"garbage")
    assert store.read_state("good") is None


def test_a_wiped_cache_is_filled_again(store: Store, tmp_path: Path) -> None:
    """Without a restart."""
    path = pull(store)
    store.pin("test", [path])

    shutil.rmtree(tmp_path / "cache")

    assert store.component(digest()) is None
    assert pull(store).exists()
    store.write_state("good", b"one")
    store.pin("test", [path])
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_listing_verifying_and_pruning(store: Store) -> None:
    """What the command line shows and does."""
    path = pull(store)
    compile_split(store)
    store.pin("test", [path])
    damaged = store.module(MODULE)
    assert damaged is not None

    assert {(one.name.split("/")[0], one.pinned) for one in store.entries()} == {
        ("components", True),
        ("modules", False),
        ("skills", False),
    }
    assert store.verify() == []

    damaged.write_bytes(CONTENT[:-1] + b"x")
    assert store.verify() == [f"modules/{damaged.name}"]

    assert len(store.prune()) == 1
    assert [one.name for one in store.entries()] == [f"components/{path.name}"]


def test_nobody_else_may_read_or_write_the_cache(tmp_path: Path) -> None:
    """A fresh directory that is too open, as a checkout may be, is tightened."""
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(0o777)

    opened(root)
    pull(opened(root))

    assert root.stat().st_mode & 0o777 == 0o700
    assert all(not path.stat().st_mode & 0o077 for path in root.rglob("*.wasm"))


def test_a_cache_that_was_open_to_others_is_refused(tmp_path: Path) -> None:
    """They may have put native code into it."""
    compile_split(opened(tmp_path))
    tmp_path.chmod(0o770)

    with pytest.raises(DaemonError, match="chmod 700") as caught:
        opened(tmp_path)

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_cache_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """They may put native code into it."""
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(DaemonError, match="another user"):
        opened(tmp_path)


# Crashes and full disks, in processes of their own ------------------------------------------------

_WRITER = """
import os, sys
from pathlib import Path
from tests.build_cache.test_store import compile_split, opened, pull

steps = int(sys.argv[2])
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate"}

def die_at_step(event, arguments):
    global steps
    if event in FILE_EVENTS and sys.argv[1] in str(arguments[0]):
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), 9)

sys.addaudithook(die_at_step)
store = opened(Path(sys.argv[1]))
pull(store)
compile_split(store)
store.write_state("good", b"two")
print("done")
"""


def write_and_die(root: Path, steps: int) -> bool:
    """Write all kinds of files in a child that is killed after *steps*; False: it was not."""
    child = subprocess.run(
        [sys.executable, "-c", _WRITER, str(root), str(steps)], capture_output=True, check=False
    )
    assert child.returncode in {0, -9}, child.stderr.decode()
    return child.returncode == -9


def test_a_crash_at_any_step_leaves_nothing_half_done(tmp_path: Path) -> None:
    """kill -9 before each change of the file system, over a cache that holds the same files."""
    steps = 0
    while True:
        root = tmp_path / str(steps)
        store = opened(root)
        store.write_state("good", b"one")
        if steps % 2:  # overwrite
            pull(store)
            compile_split(store)
        store.close()

        killed = write_and_die(root, steps)

        after = opened(root)
        component = after.component(digest())
        artifact = after.artifact(digest(), "split")
        assert component is None or component.read_bytes() == CONTENT
        assert artifact is None or all(file.read_bytes() == CONTENT for file in artifact.files)
        assert after.read_state("good") in {b"one", b"two"}
        assert not list(root.rglob(".tmp-*"))
        assert pull(after).read_bytes() == CONTENT
        compile_split(after)
        assert after.artifact(digest(), "split")
        after.close()
        if not killed:
            break
        steps += 1
    assert steps > 20


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root: run the tests as root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_a_clear_error_and_what_is_there_stays(full_disk: Path) -> None:
    """Reading goes on; writing works again once there is space."""
    store = opened(full_disk / "cache")
    path = pull(store)
    filler = full_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass

    with pytest.raises(DaemonError, match="free some disk space") as caught:
        store.write_state("good", bytes(100_000))

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE
    assert store.component(digest()) == path
    store.pin("test", [path])  # noted for others if possible, and never an error
    filler.unlink()
    store.write_state("good", b"one")
    store.close()


_READER = """
import os, sys
from pathlib import Path
from daemon.errors import DaemonError
from daemon.skill import Description
from tests.build_cache.test_store import BUILD, Store, digest

root = Path(sys.argv[1])
store = Store(root, build=BUILD)
if os.geteuid() == 0:
    os.setuid(65534)
told = Description()
writes = [lambda: store.put_description(digest(), told), lambda: store.write_state("a", b"b")]
for act in [*writes, store.open]:
    try:
        act()
    except DaemonError as error:
        print(error.kind, error.detail)
print(store.component(digest()) is not None)
"""


def test_a_read_only_cache_is_a_clear_error_and_still_read() -> None:
    """In a child that is not root: root may write everywhere, and pytest's folders are private."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "cache"
        store = opened(root)
        pull(store)
        store.close()
        for path in [Path(folder), root, *root.rglob("*")]:
            path.chmod(0o555)

        child = subprocess.run(
            [sys.executable, "-c", _READER, str(root)], capture_output=True, text=True, check=False
        )
        for path in [Path(folder), root, *root.rglob("*")]:
            path.chmod(0o755)

    lines = child.stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["cache-unusable"] * 3, child.stderr
    assert lines[-1] == "True"
