import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.catalogue import Catalogue, Served, ServedSkill
from daemon.names import Namespace, SkillPath
from daemon.namespaces.operator import Operators
from daemon.namespaces.status import Condition, ConditionType, NamespaceStatus, condition
from daemon.reconcile.attempt import Event
from daemon.reconcile.exchanges import Exchanges
from daemon.reconcile.install import Installer, Policy
from daemon.reconcile.loader import Loader
from daemon.reconcile.loop import Reconciler
from daemon.reconcile.remote import Remotes
from daemon.reconcile.upgrade import Upgrades
from daemon.skill import RegistryRef
from tests.fakes_reconcile import (
    FakePrecompiler,
    FakeRegistries,
    FakeRegistry,
    FakeStore,
    FakeWorkers,
)

REGISTRY = RegistryRef(host="registry.example.org")


@dataclass
class World:
    """A reconciler on a real root, with fakes around it; `restarted` makes the next process."""

    path: Path
    operators: Operators = field(default_factory=dict)
    policy: Policy = "split"
    allow_empty: bool = False
    registries: FakeRegistries = field(default_factory=FakeRegistries)
    events: list[Event] = field(default_factory=list)
    interval: float = 0.01
    patience: float = 60.0

    def __post_init__(self) -> None:
        self.root = self.path / "namespaces"
        self.root.mkdir(exist_ok=True)
        self.store = FakeStore(self.path / "cache")
        self.workers = FakeWorkers()
        self.precompiler = FakePrecompiler(self.store)
        self.catalogue = Catalogue()
        self.installer = Installer(
            exchanges=Exchanges(self.registries, patience=self.patience),
            store=self.store,
            precompiler=self.precompiler,
            workers=self.workers,
            policy=self.policy,
        )
        self.upgrades = Upgrades(
            installer=self.installer, precompiler=self.precompiler, workers=self.workers
        )
        self.loader = Loader(
            self.root,
            store=self.store,
            operators=self.operators,
            registry=REGISTRY,
            remotes=Remotes(interval=0.0, timeout=2.0),
            allow_empty=self.allow_empty,
        )
        self.reconciler = Reconciler(
            loader=self.loader,
            installer=self.installer,
            catalogue=self.catalogue,
            upgrades=self.upgrades,
            interval=self.interval,
            observe=self.events.append,
        )

    @property
    def registry(self) -> FakeRegistry:
        """The one registry."""
        return self.registries.registry

    def write(self, namespace: str, text: str) -> None:
        """Commit an edit."""
        directory = self.root / namespace
        directory.mkdir(exist_ok=True)
        (directory / "namespace.toml").write_text(text)

    async def reconcile(self) -> None:
        """One pass, with all that it started."""
        await self.reconciler.reconcile_once()
        await self.reconciler.settled()

    def contents(self) -> dict[str, str]:
        """What is served: path to the content of the component."""
        return {str(path): self._content(one) for path, one in self.catalogue.served.items()}

    def _content(self, served: Served) -> str:
        if isinstance(served, ServedSkill):
            return self.registry.contents[served.digest]
        return served.spec.model

    def status(self, namespace: str = "team") -> NamespaceStatus:
        """The namespace's status."""
        return self.catalogue.statuses[Namespace(namespace)]

    def condition(self, kind: ConditionType, namespace: str = "team") -> Condition:
        """One of its conditions."""
        found = condition(self.status(namespace).conditions, kind)
        assert found is not None
        return found

    async def restarted(self) -> "World":
        """Stop, and start anew on the same disk."""
        await self.stop()
        return World(self.path, self.operators, self.policy, registries=self.registries)

    async def stop(self) -> None:
        """End all tasks."""
        await self.reconciler.close()
        await self.loader.close()


async def until(holds: Callable[[], object], *, timeout: float = 20.0) -> None:
    """Return as soon as *holds* is true."""
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110 - conditions are on disk and in other tasks
            await asyncio.sleep(0.005)


def path(text: str) -> SkillPath:
    """`team/a` as a path."""
    return SkillPath.parse(*text.split("/"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world with one team and nothing in it."""
    made = World(tmp_path)
    yield made
    await made.stop()
