"""
A registry that misbehaves as told: holds what it is given, and plays scripted faults.

A fault is played for the next requests that it fits; afterwards the stub is well again, so that
a test can show the recovery. It listens on a free port of 127.0.0.1, without TLS.
"""

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from daemon.names import Digest
from daemon.registries.options import RegistryOptions

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"

Fault = Callable[["StubRegistry", web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def authorization(self) -> str | None:
        """What it was authorized with."""
        return self.headers.get("Authorization")


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    method: str
    part: str
    left: int


@dataclass(slots=True)
class StubRegistry:
    """
    Owned by the test that runs it. `login` (user, password) makes it ask for a Basic login;
    with `bearer` for tokens of its own token server, which then wants the login, if there is one.
    """

    login: tuple[str, str] | None = None
    bearer: bool = False
    token_lifetime: float | None = 300
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    _blobs: dict[str, bytes] = field(default_factory=dict)
    _manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    _script: list[_Scripted] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)  # token -> scope
    _issued: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    # What it holds.

    @property
    def host(self) -> str:
        """Name and port, as a namespace file would name it."""
        return f"localhost:{self.port}"

    @property
    def options(self) -> RegistryOptions:
        """What an operator would set to reach it, without a login."""
        return RegistryOptions(self.host, plain_http=True)

    def put(self, repository: str, tag: str, component: bytes, **parts: Any) -> Digest:
        """Hold *component*; *parts* replace parts of the manifest. Returns the digest."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.put_blob(b"{}", "application/vnd.wasm.config.v0+json"),
            "layers": [self.put_blob(component, "application/wasm")],
        }
        return self.put_manifest(repository, tag, json.dumps(manifest | parts).encode())

    def put_blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Hold a blob; returns its descriptor."""
        digest = sha256(content)
        self._blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def put_manifest(
        self, repository: str, tag: str, raw: bytes, media_type: str = MANIFEST
    ) -> Digest:
        """Hold a manifest at a tag, and at its digest."""
        digest = sha256(raw)
        self._manifests[repository, tag] = self._manifests[repository, digest] = (media_type, raw)
        return digest

    # What it does wrong.

    def play(self, fault: Fault, *, on: str = "", method: str = "", times: int = 1) -> None:
        """Play *fault* for the next *times* requests with *on* in their path."""
        self._script.append(_Scripted(fault, method, on, times))

    def end_of_faults(self) -> None:
        """Be well from now on."""
        self._script.clear()

    def expire_tokens(self) -> None:
        """Accept none of the tokens that were issued so far."""
        self._tokens.clear()

    def requests(self, method: str, part: str = "") -> list[Seen]:
        """The requests seen so far with that method, and *part* in their path."""
        return [one for one in self.seen if one.method == method and part in one.path]

    async def released(self) -> None:
        """Wait until the stub stops: what a hanging request does."""
        await self._released.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StubRegistry"]:
        """Listen; again on the same port if it listened before."""
        self._released.clear()
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self._released.set()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            Seen(request.method, request.host, request.path, request.query, request.headers)
        )
        fault = self._next_fault(request)
        if fault is not None:
            return await fault(self, request)
        return await self.well(request)

    def _next_fault(self, request: web.Request) -> Fault | None:
        for one in self._script:
            if one.left and one.part in request.path and one.method in {"", request.method}:
                one.left -= 1
                return one.fault
        return None

    # What it does right.

    async def well(self, request: web.Request) -> web.StreamResponse:
        """Answer as a registry should."""
        if request.path == "/token":
            return await self._token(request)
        if request.path.startswith("/elsewhere/"):
            return self._stored(request, request.path.removeprefix("/elsewhere/"))
        parts = request.path.removeprefix("/v2/").rsplit("/", 2)
        if len(parts) != 3:
            return web.Response(status=404)
        repository, kind, which = parts
        refused = self._refusal(request, repository)
        if refused is not None:
            return refused
        if kind == "blobs":
            return self._stored(request, which)
        return self._manifest(repository, which)

    def _manifest(self, repository: str, which: str) -> web.Response:
        found = self._manifests.get((repository, which))
        if found is None:
            known = any(name == repository for name, _ in self._manifests)
            return _error(404, "MANIFEST_UNKNOWN" if known else "NAME_UNKNOWN")
        media_type, raw = found
        headers = {"Docker-Content-Digest": sha256(raw), "Content-Type": media_type}
        return web.Response(body=raw, headers=headers)

    def _stored(self, request: web.Request, digest: str) -> web.Response:
        content = self._blobs.get(digest)
        if content is None:
            return _error(404, "BLOB_UNKNOWN")
        wanted = request.http_range.start
        if not wanted:
            return web.Response(body=content)
        headers = {"Content-Range": f"bytes {wanted}-{len(content) - 1}/{len(content)}"}
        return web.Response(status=206, body=content[wanted:], headers=headers)

    def _refusal(self, request: web.Request, repository: str) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if self.bearer:
            scope = f"repository:{repository}:pull"
            if self._tokens.get(given.removeprefix("Bearer ")) == scope:
                return None
            realm = f'realm="http://{self.host}/token",service="stub",scope="{scope}"'
            return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": f"Bearer {realm}"})
        if self.login is None or given == _basic(self.login):
            return None
        return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="stub"'})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        scope = str(form.get("scope", request.query.get("scope", "")))
        if self.login is not None:
            known = request.headers.get("Authorization") == _basic(self.login)
            if not known and form.get("refresh_token") != self.login[1]:
                return _error(401, "UNAUTHORIZED")
        self._issued += 1
        token = f"token-{self._issued}"
        self._tokens[token] = scope
        answer: dict[str, Any] = {"token": token}
        if self.token_lifetime is not None:
            answer["expires_in"] = self.token_lifetime
        return web.json_response(answer)


# Faults -------------------------------------------------------------------------------------------


def answer(status: int, code: str = "", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with *status*, and an error document if there is a *code*."""

    async def fault(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
        return _error(status, code, headers)

    return fault


def body(content: bytes, *, headers: Mapping[str, str] | None = None) -> Fault:
    """Answer 200 with *content*, whatever was asked for."""

    async def fault(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, headers=headers)

    return fault


def redirect(target: str, *, status: int = 307) -> Fault:
    """Redirect to *target*, in which `{path}` is the path asked for, `{name}` its last part."""

    async def fault(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
        location = target.format(path=request.path, name=request.path.rsplit("/", 1)[-1])
        return web.Response(status=status, headers={"Location": location})

    return fault


async def hang(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
    """Take the request, and never answer."""
    await stub.released()
    return web.Response(status=500)


async def disconnect(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
    """Drop the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


def stall(after: int) -> Fault:
    """Send *after* bytes of the right body, and then nothing, with the connection open."""

    async def fault(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
        response = await _begin(stub, request, after)
        await stub.released()
        return response

    return fault


def cut(after: int) -> Fault:
    """Send *after* bytes of the right body, and drop the connection."""

    async def fault(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
        response = await _begin(stub, request, after)
        assert request.transport is not None
        request.transport.close()  # after what was written, unlike abort
        return response

    return fault


def trickle(pieces: int, pause: float) -> Fault:
    """Send the right body in *pieces*, *pause* seconds apart: alive, but slow."""

    async def fault(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
        right = await stub.well(request)
        assert isinstance(right, web.Response) and isinstance(right.body, bytes)
        response = web.StreamResponse(headers={"Content-Length": str(len(right.body))})
        await response.prepare(request)
        size = len(right.body) // pieces + 1
        for start in range(0, len(right.body), size):
            await response.write(right.body[start : start + size])
            await asyncio.sleep(pause)
        return response

    return fault


async def ignore_range(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
    """Send the right blob from its start, whatever part was asked for."""
    digest = request.path.rsplit("/", 1)[-1]
    return web.Response(body=stub._blobs[digest])


async def flip(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
    """Send the right body with one bit flipped."""
    right = await stub.well(request)
    assert isinstance(right, web.Response) and isinstance(right.body, bytes)
    content = bytearray(right.body)
    content[len(content) // 2] ^= 1
    return web.Response(status=right.status, body=bytes(content), headers=right.headers)


async def zip_it(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
    """Send the right body compressed, though nobody asked for that."""
    right = await stub.well(request)
    assert isinstance(right, web.Response) and isinstance(right.body, bytes)
    return web.Response(body=gzip.compress(right.body), headers={"Content-Encoding": "gzip"})


async def without_digest(stub: StubRegistry, request: web.Request) -> web.StreamResponse:
    """Answer rightly, but for the header with the digest."""
    right = await stub.well(request)
    right.headers.popall("Docker-Content-Digest", None)
    return right


async def _begin(stub: StubRegistry, request: web.Request, size: int) -> web.StreamResponse:
    """Send the headers and *size* bytes of the right answer."""
    right = await stub.well(request)
    assert isinstance(right, web.Response) and isinstance(right.body, bytes)
    headers = {"Content-Length": str(len(right.body))}
    if "Content-Range" in right.headers:
        headers["Content-Range"] = right.headers["Content-Range"]
    response = web.StreamResponse(status=right.status, headers=headers)
    await response.prepare(request)
    await response.write(right.body[:size])
    return response


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error document as registries send it; its prose must not end up in our errors."""
    document = {"errors": [{"code": code, "message": "see https://x.example/?sig=SECRET"}]}
    text = json.dumps(document) if code else "<html>not a registry</html>"
    return web.Response(status=status, text=text, headers=headers)


def sha256(content: bytes) -> Digest:
    """The digest of *content*."""
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def _basic(login: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
