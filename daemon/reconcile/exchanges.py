"""
Asking registries: so many at a time at each, so long at most.

So a slow registry delays nobody but itself. The time spent in line counts for nothing: an
installation must not fail because others were before it. Leaves out what to ask (`install`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.reconcile.ports import Registries
from daemon.registries.base import Registry
from daemon.skill import RegistryRef, SkillSpec


class Exchanges:
    """
    The lines before all registries; owned by the installer.

    *patience*, in seconds, is for a registry that has no bounds of its own: a folder, for
    example, on a disk that does not answer.
    """

    def __init__(
        self, registries: Registries, *, at_once: int = 16, patience: float = 1200.0
    ) -> None:
        self._registries = registries
        self._at_once = at_once
        self._patience = patience
        self._lines: dict[str, asyncio.Semaphore] = {}

    async def resolve(self, spec: SkillSpec) -> Digest:
        """Return what the tag of *spec* points to now. Raises DaemonError."""
        async with self._turn(spec.registry) as registry:
            return await registry.resolve(spec.path.name, spec.tag)

    async def pull(self, spec: SkillSpec, digest: Digest, destination: Path) -> None:
        """Write the component of *digest* to *destination*. Raises DaemonError."""
        async with self._turn(spec.registry) as registry:
            await registry.pull(spec.path.name, digest, destination)

    @asynccontextmanager
    async def _turn(self, ref: RegistryRef) -> AsyncIterator[Registry]:
        place = ref.host or str(ref.directory)
        line = self._lines.setdefault(place, asyncio.Semaphore(self._at_once))
        async with line:
            try:
                async with asyncio.timeout(self._patience):
                    yield self._registries.get(ref)
            except TimeoutError as error:
                text = f"the exchange with {place} was not done within {self._patience:g} s"
                raise DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, text) from error
