"""
What skilld asks of a place that holds components.

Leaves out where the files go afterwards (`build_cache/store`) and when to ask again (`reconcile`).
"""

from pathlib import Path
from typing import Protocol

from daemon.names import Digest, SkillName, Tag


class Registry(Protocol):
    """
    A registry bound to one place, for example one host and base repository.

    Both methods raise DaemonError of the kinds NOT_IN_REGISTRY, REGISTRY_UNAVAILABLE,
    REGISTRY_REFUSED (credentials), REGISTRY_RATE_LIMITED (with `retry_after`), DIGEST_MISMATCH,
    BAD_ARTIFACT, TOO_LARGE.
    """

    async def resolve(self, name: SkillName, tag: Tag) -> Digest:
        """Return the digest that *tag* points to now, cheaply (HEAD)."""
        ...

    async def pull(self, name: SkillName, digest: Digest, destination: Path) -> None:
        """
        Write the component of *digest* to *destination*, verified byte for byte.

        *destination* appears complete or not at all. For OCI the digest is the manifest's.
        """
        ...
