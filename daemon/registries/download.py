"""
Brings one blob to disk: bounded, hashed on its way, and resumed where it broke off.

Nothing is believed that the registry says about the bytes: size and sha256 are those of the
verified manifest. Leaves out which blob it is (`manifest`, `oci`).
"""

import asyncio
from functools import partial
from pathlib import Path

import aiohttp

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.client import RegistryClient, Request
from daemon.registries.manifest import Layer
from daemon.registries.sink import Sink
from daemon.registries.tokens import Scope
from daemon.tasks import to_the_end

_CHUNK = 1 << 20


async def download(
    client: RegistryClient, layer: Layer, destination: Path, *, repository: str, what: str
) -> None:
    """
    Write the blob *layer* of *repository* to *destination*, which appears complete or not at all.

    Raises DaemonError: those of the client, DIGEST_MISMATCH, CACHE_UNUSABLE.
    """
    sink = Sink(destination)
    try:
        await to_the_end(sink.prepare)  # where that fails, nothing needs to travel
        await _Transfer(client, layer, sink, repository=repository, what=what).run()
        await to_the_end(sink.commit)
    finally:
        await to_the_end(sink.close)


class _Transfer:
    """One blob on its way into its sink. Owned by `download`."""

    def __init__(
        self, client: RegistryClient, layer: Layer, sink: Sink, *, repository: str, what: str
    ) -> None:
        self._client = client
        self._layer = layer
        self._sink = sink
        self._repository = repository
        self._what = what
        self._pending = bytearray()

    async def run(self) -> None:
        """Fill the sink, in as many attempts as it may take."""
        resumed = await self._fill()
        if self._sink.digest == self._layer.digest:
            return
        if resumed:  # the pieces may be of different files: once more, in one piece
            self._sink.restart()
            await self._receive()
        if self._sink.digest != self._layer.digest:
            raise self._mismatch(f"its sha256 is {self._sink.digest.hex[:12]}…")

    async def _fill(self) -> bool:
        """Receive until all is there; return whether it came in several pieces."""
        patience = self._client.patience
        for attempt in range(patience.attempts):
            try:
                await self._receive()
                return attempt > 0
            except DaemonError as error:
                await self._flush()  # what did arrive need not travel again
                if error.kind is not ErrorKind.REGISTRY_UNAVAILABLE or not self._sink.size:
                    raise
                if attempt + 1 == patience.attempts:
                    raise
            await asyncio.sleep(patience.pause * 2**attempt)
        return True

    async def _receive(self) -> None:
        """Receive what is missing, in one request."""
        async with self._client.send(self._request()) as response:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise self._mismatch("it is sent compressed, though asked for as it is")
            if not self._continues(response):
                self._sink.restart()
            await self._store(response)
        if self._sink.size < self._layer.size:
            raise DaemonError(
                ErrorKind.REGISTRY_UNAVAILABLE,
                f"{self._what} broke off at {self._sink.size} of {self._layer.size} bytes",
            )

    def _request(self) -> Request:
        start = self._sink.size
        return Request(
            "GET",
            f"{self._repository}/blobs/{self._layer.digest}",
            Scope(self._repository),
            self._what,
            headers={"Range": f"bytes={start}-"} if start else {},
            expected=(200, 206) if start else (200,),
        )

    def _continues(self, response: aiohttp.ClientResponse) -> bool:
        stated = response.headers.get("Content-Range", "")
        return response.status == 206 and stated.startswith(f"bytes {self._sink.size}-")

    async def _store(self, response: aiohttp.ClientResponse) -> None:
        """Write the body in large pieces, off the event loop."""
        async for chunk in response.content.iter_any():
            self._pending += chunk
            if self._sink.size + len(self._pending) > self._layer.size:
                raise self._mismatch("it is longer than its manifest says")
            if len(self._pending) >= _CHUNK:
                await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        if pending:
            await to_the_end(partial(self._sink.write, pending))

    def _mismatch(self, why: str) -> DaemonError:
        return DaemonError(
            ErrorKind.DIGEST_MISMATCH,
            f"{self._what} does not match its digest: {why}; the registry's storage, or a proxy "
            "before it, is damaged",
        )
