"""
A client of one registry's HTTP API: authorizes, follows redirects, translates failures.

A grant is used for its repository and action alone, so that one repository's token never reaches
another; a refused one is replaced once. Leaves out what the requests are for (`oci`, `publish`).
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from daemon.errors import DaemonError, ErrorKind
from daemon.registries import answers
from daemon.registries.authorizer import Authorizer
from daemon.registries.credentials import Credentials
from daemon.registries.network import read_bounded, tls_context, translated
from daemon.registries.options import Patience, RegistryOptions
from daemon.registries.tokens import Grant, Scope

_MAX_REDIRECTS = 5
_SEE_OTHER = frozenset({301, 302, 303})  # followed for reading only
_REPEAT = frozenset({307, 308})

Body = Callable[[], AsyncIterator[bytes] | bytes]
"""Makes the body of a request, anew for each time that it is sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request to a registry; *what* names in error texts what it is for.

    `path` is relative to `/v2/`, or the absolute location that the registry gave.
    """

    method: str
    path: str
    scope: Scope
    what: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    expected: tuple[int, ...] = (200,)


class RegistryClient:
    """Speaks with one registry. Owned by `Registries`, which owns the session, too."""

    def __init__(
        self,
        transport: RegistryOptions,
        *,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = transport.host
        self.patience = patience
        self._transport = transport
        self._session = session
        self._authorizer = Authorizer(
            transport.host,
            credentials=credentials,
            ask=self._once,
            limit=patience.document_size,
            clock=clock,
        )
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = asyncio.Lock()  # connections are reused by those of one context only
        scheme = "http" if transport.plain_http else "https"
        self._base = URL(f"{scheme}://{transport.host}/v2/")

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """
        Send *request*, and yield the answer with its body unread.

        Raises DaemonError for every status that is not expected, and for failures of the network,
        also while the block reads the body.
        """
        with translated(request.what):
            async with await self._authorized(request) as response:
                if response.status not in request.expected:
                    raise await self._failure(request, response)
                yield response

    async def read(self, request: Request, *, limit: int) -> tuple[Mapping[str, str], bytes]:
        """Send *request*; return headers and body. Raises TOO_LARGE beyond *limit* bytes."""
        async with self.send(request) as response:
            body = await read_bounded(response, limit)
        if len(body) > limit:
            raise DaemonError(
                ErrorKind.TOO_LARGE,
                f"the registry's answer for {request.what} is larger than {limit} bytes",
            )
        return response.headers, body

    def location(self, response: aiohttp.ClientResponse) -> str:
        """Return the absolute `Location` of an answer, "" if it has none."""
        stated = response.headers.get("Location")
        return str(response.url.join(URL(stated, encoded=True))) if stated else ""

    async def _authorized(self, request: Request) -> aiohttp.ClientResponse:
        """Send with what was granted before; if that is refused, once more with a fresh grant."""
        response = await self._follow(request, self._authorizer.granted(request.scope))
        # Only the registry itself may ask for credentials, not a place it redirects to.
        if response.status != 401 or not self._ours(response.url):
            return response
        challenge = answers.challenge(response.headers.getall("WWW-Authenticate", []))
        if challenge is None:
            return response
        async with response:
            if challenge.scheme == "bearer":
                self._check_scheme(URL(challenge.realm), request.what)
            grant = await self._authorizer.answer(challenge, request.scope, what=request.what)
        return await self._follow(request, grant)

    async def _follow(self, request: Request, grant: Grant | None) -> aiohttp.ClientResponse:
        """Send, following redirects; the grant goes to the registry's own origin only."""
        url = self._base.join(URL(request.path, encoded=True))
        for _ in range(_MAX_REDIRECTS + 1):
            self._check_scheme(url, request.what)
            headers = dict(request.headers)
            if grant is not None and self._ours(url):
                headers["Authorization"] = grant.header
            data = None if request.body is None else request.body()
            response = await self._once(request.method, url, headers, data)
            location = self.location(response)
            if not location or not _redirects(response.status, request.method):
                return response
            response.close()
            url = URL(location, encoded=True)
        raise DaemonError(
            ErrorKind.REGISTRY_UNAVAILABLE,
            f"the registry redirects {request.what} more than {_MAX_REDIRECTS} times",
        )

    async def _once(
        self, method: str, url: URL, headers: Mapping[str, str], data: Any
    ) -> aiohttp.ClientResponse:
        async with self._tls_lock:
            if self._tls is None:
                self._tls = await asyncio.to_thread(tls_context, self._transport.ca)
            tls = self._tls
        try:
            return await self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False, ssl=tls
            )
        except aiohttp.ClientConnectorCertificateError:
            self._tls = None  # the CA file may be replaced meanwhile: read it again next time
            raise

    def _ours(self, url: URL) -> bool:
        return url.origin() == self._base.origin()

    def _check_scheme(self, url: URL, what: str) -> None:
        """Raise unless *url* is as private as the operator wants this registry to be."""
        allowed = {"http", "https"} if self._transport.plain_http else {"https"}
        if url.scheme not in allowed or not url.host:
            raise DaemonError(
                ErrorKind.REGISTRY_UNAVAILABLE,
                f"the registry refers to a place without https for {what}, which is not followed",
            )

    async def _failure(self, request: Request, response: aiohttp.ClientResponse) -> DaemonError:
        refusal = answers.Refusal(
            response.status,
            response.headers,
            await read_bounded(response, self.patience.document_size),
        )
        if not self._ours(response.url) and response.status in {401, 403}:
            return DaemonError(
                ErrorKind.REGISTRY_UNAVAILABLE,
                f"{response.url.host}, where the registry redirected, refused {request.what} "
                f"({response.status})",
            )
        login = self._authorizer.asked(request.scope)
        if response.status == 403:
            self._authorizer.drop(request.scope)  # rights may be granted meanwhile
        return answers.failure(refusal, what=request.what, login=login, now=time.time())


def _redirects(status: int, method: str) -> bool:
    return status in _REPEAT or (status in _SEE_OTHER and method in {"GET", "HEAD"})
