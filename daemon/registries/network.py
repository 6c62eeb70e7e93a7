"""
The HTTP session to registries, and what its failures mean.

One bounded session serves all registries; it keeps no cookies, follows no proxy variables and
decodes nothing. Failures are told by their kind and the system's reason, never by aiohttp's own
text, which may hold a signed URL.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from daemon import __version__
from daemon.errors import DaemonError, ErrorKind
from daemon.registries.options import Patience

_READ_BUFFER = 1 << 20


def open_session(patience: Patience) -> aiohttp.ClientSession:
    """Return a session for all registries; needs a running loop, and is closed by the caller."""
    return aiohttp.ClientSession(
        # Waiting for a connection would cost the time of an exchange; who asks stands in line.
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=patience.connect, sock_read=patience.idle
        ),
        headers={"User-Agent": f"skilld/{__version__}", "Accept-Encoding": "identity"},
        auto_decompress=False,  # digests are over what travels; nor can a small answer explode
        trust_env=False,
        read_bufsize=_READ_BUFFER,
    )


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """
    Return a context that trusts the system's CAs and those in *ca* (PEM).

    Blocking. Raises DaemonError(REGISTRY_UNAVAILABLE) for a file that can't be used.
    """
    context = ssl.create_default_context()
    if ca is None:
        return context
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        reason = "not a PEM file" if isinstance(error, ssl.SSLError) else error.strerror
        raise DaemonError(
            ErrorKind.REGISTRY_UNAVAILABLE, f"the CA certificates in {ca} can't be used: {reason}"
        ) from error
    return context


async def read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body, or its first *limit* + 1 bytes if it is longer."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk[: limit + 1 - len(body)]
        if len(body) > limit:
            break
    return bytes(body)


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Cap the block at *seconds*, for a far side that is alive but never done."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise _unavailable(what, f"it took longer than {seconds:g} s") from error


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn failures of the network into DaemonErrors that name *what* was wanted."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise _unavailable(what, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Say in our words what happened, most telling case first."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            cause = getattr(error.certificate_error, "verify_message", "") or "not valid"
            reason = (
                f"its certificate is not trusted ({cause}): set `ca` for this registry, if it "
                "has a CA of its own"
            )
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            reason = (
                "it does not speak TLS as expected: set `plain-http` for this registry, if it "
                "is meant to be reached without"
            )
        case aiohttp.ClientConnectorDNSError():
            reason = "its host name can't be resolved"
        case aiohttp.ClientConnectorError():
            reason = f"no connection: {error.os_error.strerror or 'refused'}"
        case TimeoutError():  # aiohttp's own are subclasses
            reason = "it did not answer in time"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | ConnectionError():
            reason = "the connection broke off"
        case _:
            reason = f"it did not speak HTTP as expected ({type(error).__name__})"
    return reason


def _unavailable(what: str, reason: str) -> DaemonError:
    return DaemonError(
        ErrorKind.REGISTRY_UNAVAILABLE, f"the registry can't be reached for {what}: {reason}"
    )
