"""
Puts a component into a registry, in the shape that the public CLI gives it.

Own requests instead of a library's push, for the same reasons as the pull: bounded in time,
authorized per repository, and checked afterwards. The same file gives the same digest each time:
publishing it again uploads nothing, and makes nobody deploy again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from daemon.component import binary, worlds
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.registries import manifest
from daemon.registries.client import RegistryClient, Request
from daemon.registries.network import within
from daemon.registries.oci import digest_of, resolve
from daemon.registries.reference import Reference
from daemon.registries.tokens import Scope

_CHUNK = 1 << 20

Progress = Callable[[int, int], None]
"""Hears how many bytes of the component are there, of how many."""


_DESCRIBED = (binary.SectionId.EXPORT, binary.SectionId.IMPORT)


@dataclass(frozen=True, slots=True)
class Names:
    """What a component exports and imports."""

    exports: tuple[str, ...]
    imports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """A component with what describes it, ready to be sent."""

    component: bytes
    config: bytes
    manifest: bytes


async def publish(
    client: RegistryClient,
    file: Path,
    reference: Reference,
    *,
    force: bool = False,
    progress: Progress = lambda sent, total: None,
) -> Digest:
    """
    Put *file* at *reference*, and return the digest to pin.

    Raises DaemonError: what `component.worlds.detect` finds wrong with the file, unless *force*;
    else the kinds of a registry, and DIGEST_MISMATCH if the tag then is something else.
    """
    packed = await asyncio.to_thread(pack, file, force=force)
    async with within(client.patience.transfer, str(reference)):
        upload = _Upload(client, reference)
        await upload.blob(packed.component, progress)
        await upload.blob(packed.config, lambda sent, total: None)
        return await upload.manifest(packed.manifest)


def pack(file: Path, *, force: bool = False) -> Package:
    """Read *file*, and describe it. Blocking. Raises DaemonError."""
    try:
        component = file.read_bytes()
        built = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
    except OSError as error:
        raise DaemonError(
            ErrorKind.NOT_A_COMPONENT, f"{file} can't be read: {error.strerror}"
        ) from error
    try:
        worlds.detect(component)
        names = Names(*(tuple(_names(component, section)) for section in _DESCRIBED))
    except DaemonError:
        if not force:
            raise
        names = Names((), ())
    config = msgspec.json.encode(_config(component, built, names))
    return Package(component, config, msgspec.json.encode(_manifest(component, config)))


def _config(component: bytes, built: datetime, names: Names) -> dict[str, Any]:
    return {
        "created": built.isoformat().replace("+00:00", "Z"),
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [str(digest_of(component))],
        "component": {"exports": names.exports, "imports": names.imports},
    }


def _names(component: bytes, section_id: binary.SectionId) -> Iterator[str]:
    """The names that a component exports or imports."""
    read = binary.read_export if section_id == binary.SectionId.EXPORT else binary.read_import
    for section in binary.component_sections(component):
        if section.id == section_id:
            yield from (named.name for named in section.reader(component).many(read))


def _manifest(component: bytes, config: bytes) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": manifest.MANIFEST,
        "config": _descriptor(config, manifest.WASM_CONFIG),
        "layers": [_descriptor(component, manifest.WASM_LAYER)],
    }


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(digest_of(content)), "size": len(content)}


class _Upload:
    """What is sent to one reference. Owned by `publish`."""

    def __init__(self, client: RegistryClient, reference: Reference) -> None:
        self._client = client
        self._reference = reference
        self._scope = Scope(reference.repository, "pull,push")
        self._uploads = f"{reference.repository}/blobs/uploads/"

    async def blob(self, content: bytes, progress: Progress) -> None:
        """Send *content*, unless it is there already."""
        digest = await asyncio.to_thread(digest_of, content)
        if not await self._has(digest):
            location = await self._start()
            joint = "&" if "?" in location else "?"
            request = Request(
                "PUT",
                f"{location}{joint}digest=sha256%3A{digest.hex}",
                self._scope,
                str(self._reference),
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(len(content)),
                },
                body=lambda: _pieces(content, progress),
                expected=(201,),
            )
            async with self._client.send(request):
                pass
        progress(len(content), len(content))

    async def manifest(self, raw: bytes) -> Digest:
        """Put the manifest at the tag; return its digest, once the tag resolves to it."""
        reference = self._reference
        request = Request(
            "PUT",
            f"{reference.repository}/manifests/{reference.tag}",
            self._scope,
            str(reference),
            headers={"Content-Type": manifest.MANIFEST},
            body=lambda: raw,
            expected=(201,),
        )
        async with self._client.send(request):
            pass
        kept = await resolve(self._client, reference.repository, reference.tag, what=str(reference))
        if kept != digest_of(raw):
            raise DaemonError(
                ErrorKind.DIGEST_MISMATCH,
                f"{reference} now is {kept}, not the published {digest_of(raw)}: someone else "
                "published at the same time, or the registry rewrites manifests",
            )
        return kept

    async def _has(self, digest: Digest) -> bool:
        request = Request(
            "HEAD",
            f"{self._reference.repository}/blobs/{digest}",
            self._scope,
            str(self._reference),
            expected=(200, 404),
        )
        async with self._client.send(request) as response:
            return response.status == 200

    async def _start(self) -> str:
        """Open an upload; return where its bytes go."""
        request = Request("POST", self._uploads, self._scope, str(self._reference), expected=(202,))
        async with self._client.send(request) as response:
            location = self._client.location(response)
        if not location:
            raise DaemonError(
                ErrorKind.REGISTRY_UNAVAILABLE,
                f"the registry opened no upload for {self._reference}: it named no location",
            )
        return location


async def _pieces(content: bytes, progress: Progress) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _CHUNK):
        progress(start, len(content))
        yield content[start : start + _CHUNK]
