"""Blobs that break off, and how they come to disk all the same."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillName
from daemon.registries.download import download
from daemon.registries.manifest import Layer
from daemon.registries.publish import publish
from daemon.registries.reference import Reference
from daemon.registries.registries import Registries
from daemon.skill import RegistryRef
from tests import registry_stub as stubbed
from tests.registry_server import needs_registry, running_registry
from tests.registry_stub import Fault, StubRegistry

CONTENT = hashlib.sha256(b"seed").digest() * (3 << 15)  # 3 MiB


async def fetch(stub: StubRegistry, registries: Registries, destination: Path) -> None:
    """Download CONTENT."""
    held = stub.put_blob(CONTENT, "application/wasm")
    layer = Layer(held["digest"], held["size"])
    client = registries.client(stub.host)
    await download(client, layer, destination, repository="team/greet", what="the blob")


@pytest.mark.parametrize("fault", [stubbed.cut(2 << 20), stubbed.stall(2 << 20)])
async def test_what_broke_off_is_resumed_where_it_broke_off(
    stub: StubRegistry, registries: Registries, tmp_path: Path, fault: Fault
) -> None:
    """What is on disk already does not travel again."""
    stub.play(fault, on="blobs")

    await fetch(stub, registries, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == CONTENT
    first, second = stub.requests("GET", "blobs")
    assert "Range" not in first.headers
    start = int(second.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 2 << 20


async def test_it_is_resumed_more_than_once(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """Each attempt goes on where the one before ended."""
    stub.play(stubbed.cut(1 << 20), on="blobs", times=2)

    await fetch(stub, registries, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == CONTENT


async def test_a_registry_without_ranges_sends_all_again(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """A 200 to a range request starts over."""
    stub.play(stubbed.cut(1 << 20), on="blobs")
    stub.play(stubbed.ignore_range, on="blobs")

    await fetch(stub, registries, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == CONTENT


async def test_pieces_that_do_not_fit_are_fetched_again_in_one(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """A damaged remainder costs a second transfer, not the deployment."""
    stub.play(stubbed.cut(1 << 20), on="blobs")
    stub.play(stubbed.flip, on="blobs")

    await fetch(stub, registries, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == CONTENT


async def test_attempts_are_bounded(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """A blob that always breaks off is given up, with how far it came."""
    stub.play(stubbed.cut(1), on="blobs", times=100)

    with pytest.raises(DaemonError) as caught:
        await fetch(stub, registries, tmp_path / "blob")

    assert caught.value.kind is ErrorKind.REGISTRY_UNAVAILABLE
    assert len(stub.requests("GET", "blobs")) == 4


async def test_a_disk_that_takes_nothing_is_not_the_registrys_fault(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """It has its own kind, and is not retried over the network."""
    with pytest.raises(DaemonError, match="can't be written") as caught:
        await fetch(stub, registries, tmp_path / "missing" / "blob")

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE
    assert not stub.seen


async def test_a_slow_blob_that_keeps_coming_is_waited_for(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """The idle limit is for silence, not for slowness."""
    stub.play(stubbed.trickle(8, pause=0.06), on="blobs")

    await fetch(stub, registries, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert len(stub.requests("GET", "blobs")) == 1


class TestDockerRegistry:
    """Against Debian's docker-registry."""

    pytestmark = needs_registry

    async def test_a_registry_that_is_killed_in_the_middle_and_restarted_is_gone_on_with(
        self, tmp_path: Path
    ) -> None:
        """The pull that was under way succeeds, and what had arrived does not travel again."""
        file, destination = tmp_path / "big.wasm", tmp_path / "pulled"
        file.write_bytes(CONTENT * 32)
        with running_registry(tmp_path / "registry") as server:
            async with Registries(options=[server.options]) as registries:
                reference = Reference.parse(f"{server.host}/team/big:v1")
                client = registries.client(server.host)
                digest = await publish(client, file, reference, force=True)
                registry = registries.get(RegistryRef(host=server.host, repository="team"))

                pull = asyncio.ensure_future(registry.pull(SkillName("big"), digest, destination))
                while not received(destination):  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0)
                server.stop()
                assert 0 < received(destination) < len(CONTENT) * 32
                await asyncio.to_thread(server.start)
                await pull

        assert destination.read_bytes() == CONTENT * 32


def received(destination: Path) -> int:
    """How much of the file is on disk already."""
    part = destination.with_name(f".{destination.name}.part")
    return part.stat().st_size if part.exists() else 0
