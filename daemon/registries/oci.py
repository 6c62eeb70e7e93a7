"""
Skills in an OCI registry: resolves tags, and pulls components verified against their digests.

Own requests instead of a library's: a daemon that polls needs answers that are bounded in time
and size, tokens per repository, and bytes that were checked. Leaves out HTTP (`client`).
"""

import hashlib
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, InvalidNameError, SkillName, Tag
from daemon.registries import manifest
from daemon.registries.client import RegistryClient, Request
from daemon.registries.download import download
from daemon.registries.manifest import Layer
from daemon.registries.network import within
from daemon.registries.reference import repository_of
from daemon.registries.tokens import Scope

_MAX_INDEXES = 1
_PROBE_FAILED = frozenset(
    {
        ErrorKind.NOT_IN_REGISTRY,  # a HEAD has no body that says what is missing
        ErrorKind.REGISTRY_UNAVAILABLE,  # not every proxy lets it through
    }
)


class OciRegistry:
    """
    The Skills below the repository *base* of one registry; a `Registry`.

    A digest is that of the manifest, or of the index where the tag points to one.
    """

    def __init__(self, client: RegistryClient, *, base: str) -> None:
        self._client = client
        self._base = base

    async def resolve(self, name: SkillName, tag: Tag) -> Digest:
        """Return the digest that *tag* points to: by HEAD, or by GET where HEAD can't tell."""
        repository = repository_of(self._base, name)
        what = f"{self._client.host}/{repository}:{tag}"
        async with within(self._client.patience.answer, what):
            return await resolve(self._client, repository, tag, what=what)

    async def pull(self, name: SkillName, digest: Digest, destination: Path) -> None:
        """Write the component of *digest* to *destination*; manifest and blob are verified."""
        repository = repository_of(self._base, name)
        what = f"{self._client.host}/{repository}@{digest}"
        patience = self._client.patience
        async with within(patience.answer, what):
            layer = await self._layer(repository, digest, what=what)
        if layer.size > patience.component_size:
            raise DaemonError(
                ErrorKind.TOO_LARGE,
                f"{what} has {layer.size} bytes, more than the {patience.component_size} that "
                "the operator allows",
            )
        async with within(patience.transfer, what):
            await download(self._client, layer, destination, repository=repository, what=what)

    async def _layer(self, repository: str, digest: Digest, *, what: str) -> Layer:
        """Return where the component's bytes are, following an index to its only manifest."""
        for _ in range(_MAX_INDEXES + 1):
            found = manifest.read(await self._manifest(repository, digest, what=what), what)
            if isinstance(found, Layer):
                return found
            digest = found
        raise DaemonError(ErrorKind.BAD_ARTIFACT, f"{what} is an index of indexes")

    async def _manifest(self, repository: str, digest: Digest, *, what: str) -> bytes:
        request = _manifest_request("GET", repository, digest, what=what)
        _, raw = await self._client.read(request, limit=self._client.patience.manifest_size)
        if digest_of(raw) != digest:
            raise DaemonError(
                ErrorKind.DIGEST_MISMATCH,
                f"the manifest that the registry gave for {what} is another one: its sha256 is "
                f"{digest_of(raw).hex[:12]}…",
            )
        return raw


async def resolve(client: RegistryClient, repository: str, tag: Tag, *, what: str) -> Digest:
    """Return the digest that *tag* of *repository* points to. Raises DaemonError."""
    try:
        head = _manifest_request("HEAD", repository, tag, what=what)
        headers, _ = await client.read(head, limit=0)
        return Digest(headers.get("Docker-Content-Digest", ""))
    except InvalidNameError:
        pass  # the header is missing, or of another algorithm
    except DaemonError as error:
        if error.kind not in _PROBE_FAILED:
            raise
    get = _manifest_request("GET", repository, tag, what=what)
    _, raw = await client.read(get, limit=client.patience.manifest_size)
    return digest_of(raw)


def _manifest_request(method: str, repository: str, which: str, *, what: str) -> Request:
    return Request(
        method,
        f"{repository}/manifests/{which}",
        Scope(repository),
        what,
        headers={"Accept": manifest.ACCEPT},
    )


def digest_of(raw: bytes) -> Digest:
    """Return the digest of *raw*."""
    return Digest(f"sha256:{hashlib.sha256(raw).hexdigest()}")
