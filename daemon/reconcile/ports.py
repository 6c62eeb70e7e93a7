"""
What reconcile needs of its neighbours. Protocols only: `app` hands in the real ones.

Those of the store may block and are called in a thread, but for `unpin`. The others that are not
`async` return at once.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from daemon.names import Digest
from daemon.registries.base import Registry
from daemon.skill import Artifact, Description, RegistryRef, Variant


class Registries(Protocol):
    """Gives the registry of a reference, credentials included."""

    def get(self, ref: RegistryRef) -> Registry:
        """Return it; no I/O."""
        ...


class StateStore(Protocol):
    """Small state files that survive a restart."""

    def read_state(self, name: str) -> bytes | None:
        """Return what was written, None where there is none or it is damaged."""
        ...

    def write_state(self, name: str, data: bytes) -> None:
        """Replace it, crash-safe. Raises DaemonError."""
        ...


class Store(StateStore, Protocol):
    """The build cache."""

    def component(self, digest: Digest) -> Path | None:
        """Return the verified component."""
        ...

    def component_destination(self, digest: Digest) -> Path:
        """Return a fresh temporary path to pull to."""
        ...

    def adopt_component(self, digest: Digest, temporary: Path) -> Path:
        """Take a pulled file over. Raises DaemonError."""
        ...

    def artifact(self, digest: Digest, variant: Variant) -> Artifact | None:
        """Return the verified artifact."""
        ...

    def description(self, digest: Digest) -> Description | None:
        """Return what a Skill said of itself."""
        ...

    def put_description(self, digest: Digest, description: Description) -> None:
        """Remember it. Raises DaemonError."""
        ...

    def pin(self, owner: str, paths: Iterable[Path]) -> None:
        """Protect files from eviction."""
        ...

    def unpin(self, owner: str) -> None:
        """Protect them no longer."""
        ...


class Precompiler(Protocol):
    """Compiles components, in children."""

    async def prepare(
        self, digest: Digest, component: Path, *, variant: Variant, background: bool = False
    ) -> Artifact:
        """Return the artifact, compiled unless cached. Raises DaemonError."""
        ...


class Workers(Protocol):
    """The processes that run Skills."""

    async def load(self, artifact: Artifact, *, describe: bool) -> Description:
        """Load in all workers, after a smoke test in one. Raises DaemonError."""
        ...

    def unload(self, artifact_id: str) -> None:
        """Forget it once its calls have ended."""
        ...
