import asyncio
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Tag
from daemon.reconcile.exchanges import Exchanges
from daemon.skill import RegistryRef, SkillSpec
from tests.fakes_reconcile import FakeRegistries
from tests.reconcile.conftest import path, until


def spec(name: str, host: str = "one.example.org") -> SkillSpec:
    """A Skill of that registry."""
    return SkillSpec(path(f"team/{name}"), RegistryRef(host=host), Tag("v1"))


@pytest.fixture
def registries() -> FakeRegistries:
    """Where `a`, `b` and `c` are, of which `a` hangs."""
    made = FakeRegistries()
    for name in "abc":
        made.registry.push(name, "v1", name)
    made.registry.hanging["a"] = asyncio.Event()
    return made


async def test_a_slow_registry_delays_no_other(registries: FakeRegistries) -> None:
    """Each has a line of its own, of which some are served at once."""
    exchanges = Exchanges(registries, at_once=1)
    slow = asyncio.ensure_future(exchanges.resolve(spec("a")))
    await until(lambda: registries.registry.resolved == ["a"])
    behind = asyncio.ensure_future(exchanges.resolve(spec("b")))

    await exchanges.resolve(spec("c", host="two.example.org"))

    assert registries.registry.resolved == ["a", "c"]
    registries.registry.hanging["a"].set()
    await asyncio.gather(slow, behind)


async def test_the_time_in_line_does_not_count(registries: FakeRegistries, tmp_path: Path) -> None:
    """Who is behind one that hangs does not fail with it."""
    exchanges = Exchanges(registries, at_once=1, patience=0.2)
    digest = registries.registry.push("b", "v1", "B1")
    hanging = [asyncio.ensure_future(exchanges.resolve(spec("a"))) for _ in range(3)]
    await until(lambda: registries.registry.resolved == ["a"])
    behind = asyncio.ensure_future(exchanges.pull(spec("b"), digest, tmp_path / "b.wasm"))

    await behind

    assert (tmp_path / "b.wasm").read_text() == "B1"
    for one in hanging:
        with pytest.raises(DaemonError, match="was not done within") as caught:
            await one
        assert caught.value.kind is ErrorKind.REGISTRY_UNAVAILABLE
