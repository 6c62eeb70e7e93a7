"""
The second tier: whole artifacts behind split ones, compiled in idle time, one after the other.

A split artifact serves soon, a whole one runs faster. Hottest first, then newest. Leaves out
which of them is served: *publish* says whether it took the whole one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from daemon.catalogue import ServedSkill
from daemon.errors import DaemonError
from daemon.names import SkillPath
from daemon.reconcile.install import Installer, Phases
from daemon.reconcile.ports import Precompiler, Workers
from daemon.skill import Artifact

_log = logging.getLogger(__name__)
Publish = Callable[[ServedSkill, Artifact], Awaitable[None]]


class Upgrades:
    """The queue of Skills that are served split; owned by the reconciler."""

    def __init__(
        self,
        *,
        installer: Installer,
        precompiler: Precompiler,
        workers: Workers,
        heat: Callable[[SkillPath], float] = lambda _: 0.0,
    ) -> None:
        self._installer = installer
        self._precompiler = precompiler
        self._workers = workers
        self._heat = heat
        self._waiting: dict[SkillPath, ServedSkill] = {}
        self._added = asyncio.Event()

    def add(self, skill: ServedSkill) -> None:
        """Upgrade *skill* some time, unless it is whole already; replaces an earlier version."""
        self._waiting.pop(skill.path, None)
        if self._installer.policy == "tiered" and skill.artifact.variant == "split":
            self._waiting[skill.path] = skill
            self._added.set()

    def drop(self, path: SkillPath) -> None:
        """No upgrade for *path*: it is retired."""
        self._waiting.pop(path, None)

    async def run(self, publish: Publish) -> None:
        """Upgrade for ever."""
        while True:
            await self.upgrade_next(publish)

    async def upgrade_next(self, publish: Publish) -> None:
        """Wait for a Skill to upgrade, and upgrade the one that gains most from it."""
        while not self._waiting:
            self._added.clear()
            await self._added.wait()
        newest = {path: order for order, path in enumerate(self._waiting)}
        path = max(self._waiting, key=lambda one: (self._heat(one), newest[one]))
        skill = self._waiting.pop(path)
        try:
            artifact = await self._whole(skill)
        except DaemonError as error:
            _log.info("%s stays split, which only costs speed: %s", path, error)
            return
        await publish(skill, artifact)

    async def _whole(self, skill: ServedSkill) -> Artifact:
        component = await self._installer.component(skill.spec, skill.digest, phases=Phases())
        artifact = await self._precompiler.prepare(
            skill.digest, component, variant="whole", background=True
        )
        await self._workers.load(artifact, describe=False)
        return artifact
