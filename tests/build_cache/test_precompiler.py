"""Compiling once, under caps, in real children."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import wasmtime
from wasmtime import component as wasm

from daemon.build_cache.child import Caps
from daemon.build_cache.precompiler import Precompiler
from daemon.build_cache.store import Store
from daemon.component.binary import CORE_MODULE
from daemon.engine.config import engine
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.skill import Artifact, SkillKind, World
from tests.components import echo, exporting
from tests.poison.compile_bomb import compile_bomb, component

WORTH_SHARING = 1000
"""Weight of padding that makes the shared module large enough to be taken out."""


class Compiles:
    """Hears of every compile."""

    def __init__(self) -> None:
        self.seen: list[tuple[Digest, str]] = []
        self.seconds: list[Mapping[str, float]] = []

    def __call__(self, digest: Digest, variant: str, seconds: Mapping[str, float]) -> None:
        self.seen.append((digest, variant))
        self.seconds.append(seconds)


@pytest.fixture
def compiles() -> Compiles:
    """A witness."""
    return Compiles()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A fresh store."""
    store = Store(tmp_path / "cache")
    store.open()
    yield store
    store.close()


@pytest.fixture
async def precompiler(store: Store, compiles: Compiles) -> AsyncIterator[Precompiler]:
    """A precompiler without a spare child."""
    precompiler = Precompiler(store, spare=False, observe=compiles)
    yield precompiler
    await precompiler.close()


def pulled(folder: Path, content: bytes) -> tuple[Digest, Path]:
    """Write a component, as if pulled."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / f"{sha256}.wasm"
    path.write_bytes(content)
    return Digest(f"sha256:{sha256}"), path


@pytest.fixture(scope="session")
def large() -> bytes:
    """A Skill with a large module, worth sharing."""
    return echo(weight=WORTH_SHARING)


def loads(artifact: Artifact) -> bool:
    """Whether wasmtime takes the files."""
    with_epochs = engine()
    wasm.Component.deserialize_file(with_epochs, str(artifact.component))
    for _, path in artifact.shared:
        wasmtime.Module.deserialize_file(with_epochs, str(path))
    return True


async def test_a_small_skill_is_compiled_whole(
    precompiler: Precompiler, compiles: Compiles, tmp_path: Path
) -> None:
    """There is nothing to share; the second wish costs nothing."""
    digest, path = pulled(tmp_path, echo())

    first = await precompiler.prepare(digest, path, variant="split")
    second = await precompiler.prepare(digest, path, variant="whole")

    assert first == second
    assert first.variant == "whole"
    assert (first.world, first.kind, first.strings) == (World.V0_3, SkillKind.FUNCTION, True)
    assert loads(first)
    assert compiles.seen == [(digest, "split")]
    assert {"start", "read", "split", "compile"} <= compiles.seconds[0].keys()


async def test_concurrent_wishes_are_one_compile(
    precompiler: Precompiler, compiles: Compiles, tmp_path: Path
) -> None:
    """All get the same artifact."""
    digest, path = pulled(tmp_path, echo())

    made = await asyncio.gather(
        *(precompiler.prepare(digest, path, variant="whole") for _ in range(5))
    )

    assert len(set(map(id, made))) == 1
    assert len(compiles.seen) == 1


async def test_a_cancelled_wish_stops_its_compile(
    store: Store, tmp_path: Path, compiles: Compiles
) -> None:
    """The child dies; nothing is left behind."""
    precompiler = Precompiler(store, spare=False, observe=compiles)
    digest, path = pulled(tmp_path, compile_bomb())
    wish = asyncio.ensure_future(precompiler.prepare(digest, path, variant="whole"))
    child = await _child_of(os.getpid())

    wish.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wish

    assert child not in _children_of(os.getpid())
    assert not _unfinished(tmp_path)
    await precompiler.close()


async def test_a_stopped_compile_takes_no_pin_from_its_successor(
    store: Store, tmp_path: Path
) -> None:
    """Its component must stay until it is read."""
    precompiler = Precompiler(store, spare=False)
    digest, path = pulled(tmp_path, compile_bomb())
    pulled_to = store.component_destination(digest)
    component = store.adopt_component(digest, path.rename(pulled_to))
    one = asyncio.ensure_future(precompiler.prepare(digest, component, variant="whole"))
    first = await _child_of(os.getpid())

    one.cancel()
    two = asyncio.ensure_future(precompiler.prepare(digest, component, variant="whole"))
    await asyncio.wait([one])
    while await _child_of(os.getpid()) == first:  # noqa: ASYNC110 - the kernel sets no event
        await asyncio.sleep(0)

    assert [entry.pinned for entry in store.entries()] == [True]
    two.cancel()
    await asyncio.wait([two])
    assert [entry.pinned for entry in store.entries()] == [False]


async def _child_of(pid: int) -> int:
    """Wait until the process has a child, and return its id."""
    while not (found := _children_of(pid)):  # noqa: ASYNC110 - the kernel sets no event
        await asyncio.sleep(0)
    return found[0]


def _children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob(".tmp-*"))


async def test_one_who_gives_up_does_not_spoil_it_for_others(
    precompiler: Precompiler, compiles: Compiles, tmp_path: Path
) -> None:
    """The compile goes on while anybody waits."""
    digest, path = pulled(tmp_path, echo())
    one = asyncio.ensure_future(precompiler.prepare(digest, path, variant="whole"))
    two = asyncio.ensure_future(precompiler.prepare(digest, path, variant="whole"))
    await _child_of(os.getpid())

    one.cancel()

    assert (await two).digest == digest
    assert one.cancelled()
    assert len(compiles.seen) == 1


@pytest.mark.parametrize(
    ("caps", "text"),
    [
        (Caps(wall=0.7), "longer than 0.7 s"),
        (Caps(cpu=1), "1 s of CPU time"),
        (Caps(memory=400 << 20), "memory"),
    ],
    ids=["wall", "cpu", "memory"],
)
async def test_a_component_that_compiles_for_ever_is_stopped(
    store: Store, tmp_path: Path, caps: Caps, text: str
) -> None:
    """And the error names the cap; a well-behaved neighbour is not held up."""
    precompiler = Precompiler(store, caps=caps, spare=False)
    digest, path = pulled(tmp_path, compile_bomb())

    with pytest.raises(DaemonError, match=text) as caught:
        await precompiler.prepare(digest, path, variant="split")

    assert caught.value.kind is ErrorKind.COMPILE_LIMIT
    assert not _unfinished(tmp_path)
    await precompiler.close()


async def test_a_well_behaved_neighbour_is_served_beside_a_bomb(
    precompiler: Precompiler, tmp_path: Path
) -> None:
    """Compiles run side by side."""
    bomb = asyncio.ensure_future(
        precompiler.prepare(*pulled(tmp_path, compile_bomb()), variant="whole")
    )

    made = await precompiler.prepare(*pulled(tmp_path, echo()), variant="whole")

    assert loads(made)
    assert not bomb.done()
    bomb.cancel()
    await asyncio.wait([bomb])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", ErrorKind.NOT_A_COMPONENT),
        (b"not wasm at all", ErrorKind.NOT_A_COMPONENT),
        (exporting("wasi:cli/run@0.2.0"), ErrorKind.NO_SUPPORTED_WORLD),
        (exporting("pharia:skill/skill-handler@9.0.0"), ErrorKind.WORLD_NOT_YET_SUPPORTED),
        (component(CORE_MODULE + b"\x03\x02\x01\x00"), ErrorKind.COMPILE_FAILED),
    ],
    ids=["empty", "text", "no world", "too new", "invalid"],
)
async def test_what_cannot_be_served_says_why(
    precompiler: Precompiler, tmp_path: Path, content: bytes, kind: ErrorKind
) -> None:
    """The kind travels from the child."""
    with pytest.raises(DaemonError) as caught:
        await precompiler.prepare(*pulled(tmp_path, content), variant="split")

    assert caught.value.kind is kind
    assert caught.value.permanent


async def test_skills_share_their_large_module(
    precompiler: Precompiler, compiles: Compiles, tmp_path: Path, large: bytes
) -> None:
    """It is compiled once, also when they come together, and again when it was damaged."""
    one = pulled(tmp_path, large)
    two = pulled(tmp_path, echo(weight=WORTH_SHARING, constant=7))

    first, second = await asyncio.gather(
        precompiler.prepare(*one, variant="split"), precompiler.prepare(*two, variant="split")
    )

    assert first.variant == second.variant == "split"
    assert first.shared == second.shared
    assert loads(first)
    assert loads(second)

    module = first.shared[0][1]
    inode = module.stat().st_ino
    module.write_bytes(b"damaged")
    again = await precompiler.prepare(*one, variant="split")
    assert loads(again)
    assert module.stat().st_ino != inode


async def test_the_background_makes_nobody_wait(
    precompiler: Precompiler, compiles: Compiles, tmp_path: Path
) -> None:
    """A foreground wish for the same overtakes; the one in the background gets its result."""
    digest, path = pulled(tmp_path, echo())
    behind = asyncio.ensure_future(
        precompiler.prepare(digest, path, variant="whole", background=True)
    )
    await _child_of(os.getpid())

    ahead = await precompiler.prepare(digest, path, variant="whole")

    assert await behind == ahead
    assert len(compiles.seen) == 1


async def test_a_spare_child_is_ready_and_replaced(
    store: Store, tmp_path: Path, compiles: Compiles
) -> None:
    """Also after somebody killed it."""
    precompiler = Precompiler(store, observe=compiles)
    await precompiler.warm_up()
    spare = await _child_of(os.getpid())
    os.kill(spare, 9)

    made = await precompiler.prepare(*pulled(tmp_path, echo()), variant="whole")

    assert loads(made)
    assert await _child_of(os.getpid()) != spare
    await precompiler.close()
    assert not _children_of(os.getpid())


async def test_a_spare_child_that_cannot_start_spoils_no_compile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was compiled is served; the next compile tries to start its own."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nrm "$0"\nexec {sys.executable} "$@"\n')  # starts once
    python.chmod(0o700)
    precompiler = Precompiler(store)

    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        assert loads(await precompiler.prepare(*pulled(tmp_path, echo()), variant="whole"))

    assert not _children_of(os.getpid())
    other = pulled(tmp_path, echo(constant=7))
    assert loads(await precompiler.prepare(*other, variant="whole"))
    await precompiler.close()
