"""A folder of components as a registry."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillName, Tag
from daemon.registries.directory import DirectoryRegistry

GREET, LATEST = SkillName("greet"), Tag("latest")
LONG_AGO = 1_000_000_000


def write(directory: Path, name: str, content: bytes) -> Digest:
    """Put a file that was left alone for long."""
    path = directory / f"{name}.wasm"
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    """The folder `skills`, empty at first."""
    (tmp_path / "skills").mkdir()
    return DirectoryRegistry(tmp_path / "skills", component_size=1 << 20)


@pytest.fixture
def skills(tmp_path: Path, registry: DirectoryRegistry) -> Path:
    """Where the components are."""
    return tmp_path / "skills"


async def failure(registry: DirectoryRegistry) -> DaemonError:
    """The error of resolving `greet`."""
    with pytest.raises(DaemonError) as caught:
        await registry.resolve(GREET, LATEST)
    return caught.value


async def test_the_digest_is_that_of_the_content(skills: Path, registry: DirectoryRegistry) -> None:
    """Any tag resolves to what is there."""
    digest = write(skills, "greet", b"one")

    assert await registry.resolve(GREET, LATEST) == digest
    assert await registry.resolve(GREET, Tag("v9")) == digest


async def test_a_name_with_dots_is_not_truncated(skills: Path, registry: DirectoryRegistry) -> None:
    """`greet.v2` is its own Skill."""
    write(skills, "greet", b"one")
    digest = write(skills, "greet.v2", b"two")

    assert await registry.resolve(SkillName("greet.v2"), LATEST) == digest


async def test_new_content_is_noticed_although_size_and_date_stay(
    skills: Path, registry: DirectoryRegistry
) -> None:
    """Copies that keep dates, as mounted volumes and `cp -p` make them, don't fool the cache."""
    write(skills, "greet", b"one")
    before = await registry.resolve(GREET, LATEST)

    after = write(skills, "greet", b"two")

    assert await registry.resolve(GREET, LATEST) == after != before


async def test_an_unchanged_file_is_not_read_again(
    skills: Path, registry: DirectoryRegistry
) -> None:
    """Polling a folder costs a few calls per Skill, whatever its size."""
    digest = write(skills, "greet", bytes(1 << 20))
    await registry.resolve(GREET, LATEST)
    before = bytes_read()

    assert await registry.resolve(GREET, LATEST) == digest
    assert bytes_read() - before < 1 << 20


def bytes_read() -> int:
    """How much this process has read so far, as the kernel counts."""
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


async def test_a_young_file_is_left_alone_until_it_has_settled(skills: Path) -> None:
    """What was written this very moment is probably half written."""
    digest = write(skills, "greet", b"one")
    registry = DirectoryRegistry(skills, settle=0.05, now=lambda: LONG_AGO + 0.01)
    started = asyncio.get_running_loop().time()

    assert await registry.resolve(GREET, LATEST) == digest
    assert asyncio.get_running_loop().time() - started >= 0.03


async def test_a_file_that_never_settles_is_unavailable_for_now(skills: Path) -> None:
    """A writer that is always at it is told, not served half."""
    registry = DirectoryRegistry(skills, settle=0)
    write(skills, "greet", b"")
    os.truncate(skills / "greet.wasm", 128 << 20)  # long enough to be overtaken while it is read

    with appending(skills / "greet.wasm"):
        error = await failure(registry)

    assert error.kind is ErrorKind.REGISTRY_UNAVAILABLE
    assert "still being written" in error.detail
    assert error.retry_after == 1


@contextmanager
def appending(path: Path) -> Iterator[None]:
    """Let a thread append to *path* all the time."""
    stopped, begun = threading.Event(), threading.Event()

    def append() -> None:
        with path.open("ab", buffering=0) as file:
            while not stopped.is_set():
                file.write(b".")
                begun.set()

    thread = threading.Thread(target=append)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


async def test_pulls_a_copy(skills: Path, registry: DirectoryRegistry, tmp_path: Path) -> None:
    """The copy is of the digest that was asked for."""
    digest = write(skills, "greet", b"one")

    await registry.pull(GREET, digest, tmp_path / "copy.wasm")

    assert (tmp_path / "copy.wasm").read_bytes() == b"one"


async def test_a_pin_to_other_content_is_not_in_the_registry(
    skills: Path, registry: DirectoryRegistry, tmp_path: Path
) -> None:
    """A file holds one version; an older one is gone, and nothing takes its place."""
    digest = write(skills, "greet", b"one")
    write(skills, "greet", b"two")

    with pytest.raises(DaemonError, match="change the pin") as caught:
        await registry.pull(GREET, digest, tmp_path / "copy.wasm")

    assert caught.value.kind is ErrorKind.NOT_IN_REGISTRY
    assert not (tmp_path / "copy.wasm").exists()


async def test_follows_a_link_that_is_swapped(skills: Path, registry: DirectoryRegistry) -> None:
    """Syncers and mounted volumes swap links."""
    write(skills, "one", b"one")
    two = write(skills, "two", b"two")
    (skills / "greet.wasm").symlink_to("one.wasm")
    await registry.resolve(GREET, LATEST)

    (skills / "new").symlink_to("two.wasm")
    (skills / "new").replace(skills / "greet.wasm")

    assert await registry.resolve(GREET, LATEST) == two


async def test_a_missing_file_is_not_in_the_registry(registry: DirectoryRegistry) -> None:
    """The error names file and folder."""
    error = await failure(registry)

    assert error.kind is ErrorKind.NOT_IN_REGISTRY
    assert "no greet.wasm in" in error.detail


async def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    """It may be a mount that is late: what is served stays."""
    registry = DirectoryRegistry(tmp_path / "gone")

    error = await failure(registry)

    assert error.kind is ErrorKind.REGISTRY_UNAVAILABLE
    assert "can't be read" in error.detail


async def test_a_named_pipe_is_refused_without_waiting_for_its_writer(
    skills: Path, registry: DirectoryRegistry
) -> None:
    """Nothing but regular files is read."""
    os.mkfifo(skills / "greet.wasm")
    os.utime(skills / "greet.wasm", (LONG_AGO, LONG_AGO))

    error = await failure(registry)

    assert error.kind is ErrorKind.BAD_ARTIFACT
    assert "not a regular file" in error.detail


async def test_a_file_over_the_limit_is_refused_unread(
    skills: Path, registry: DirectoryRegistry
) -> None:
    """A sparse giant costs nothing."""
    with (skills / "greet.wasm").open("wb") as file:
        file.truncate(1 << 40)
    os.utime(skills / "greet.wasm", (LONG_AGO, LONG_AGO))

    assert (await failure(registry)).kind is ErrorKind.TOO_LARGE
