"""
Namespace files that live elsewhere: behind http(s), or at a `file://` URL.

Each is fetched by a task of its own, so that a slow server delays no other namespace. A failure
keeps what was fetched before. Leaves out what the text means (`namespaces/config`).
"""

import asyncio
import hashlib
import os
import random
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.namespaces.operator import RemoteNamespace
from daemon.reconcile.backoff import delay
from daemon.skill import Failure
from daemon.tasks import Tasks
from daemon.units import retry_after

_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is known of one remote file: its last good bytes, and why there are no newer ones."""

    data: bytes | None = None
    etag: str | None = None
    failure: Failure | None = None
    failures: int = 0
    due: float = 0.0  # monotonic; when to ask again

    @property
    def revision(self) -> str | None:
        """The hash of the content."""
        return hashlib.sha256(self.data).hexdigest() if self.data is not None else None


class Remotes:
    """
    The remote files; owned by the loader. *on_change* is called when one has something new.

    *timeout* and *interval* in seconds.
    """

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        interval: float = 10.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._timeout = timeout
        self._interval = interval
        self.on_change = on_change
        self._session: aiohttp.ClientSession | None = None
        self._tasks = Tasks()
        self._running: set[Namespace] = set()
        self._known: dict[Namespace, Fetched] = {}

    def latest(self, name: Namespace, source: RemoteNamespace) -> Fetched | None:
        """Return what is known, None before the first answer; asks again when it is time."""
        known = self._known.get(name)
        due = known is None or time.monotonic() >= known.due
        if due and name not in self._running:
            self._running.add(name)
            self._tasks.spawn(self._refresh(name, source), name=f"fetch {name}")
        return known

    def expire(self) -> None:
        """Ask for all of them at the next `latest`: somebody wants to see changes now."""
        self._known = {name: replace(one, due=0.0) for name, one in self._known.items()}

    async def close(self) -> None:
        """Stop asking."""
        await self._tasks.close()
        if self._session is not None:
            await self._session.close()

    async def _refresh(self, name: Namespace, source: RemoteNamespace) -> None:
        before = self._known.get(name, Fetched())
        try:
            data, etag = await self._fetch(source, before)
            # A little early: the tick that is to ask comes about once per interval.
            due = time.monotonic() + 0.8 * self._interval
            after = Fetched(data, etag, due=due)
        except DaemonError as error:
            failures = before.failures + 1
            wait = delay(failures, random=random.random(), at_least=error.retry_after)  # noqa: S311
            failure = Failure(error.kind.value, error.detail, error.retry_after)
            due = time.monotonic() + max(wait, 0.8 * self._interval)
            after = replace(before, failure=failure, failures=failures, due=due)
        finally:
            self._running.discard(name)
        self._known[name] = after
        if _news(before, after):
            self.on_change()

    async def _fetch(
        self, source: RemoteNamespace, before: Fetched
    ) -> tuple[bytes | None, str | None]:
        parts = urlsplit(source.url)
        if parts.scheme == "file":
            path = Path(unquote(source.url.removeprefix("file://")))
            return await asyncio.to_thread(_read, path), None
        headers = {"Accept": "application/toml, text/plain, */*"}
        if token := source.token.reveal():
            headers["Authorization"] = f"Bearer {token}"
        if before.etag is not None and before.data is not None:
            headers["If-None-Match"] = before.etag
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client().get(source.url, headers=headers, max_redirects=5) as response,
            ):
                if response.status == HTTPStatus.NOT_MODIFIED and before.data is not None:
                    return before.data, before.etag
                if response.status != HTTPStatus.OK:
                    raise _refused(response, place=_shown(source.url), token=bool(token))
                return await _body(response), response.headers.get("ETag")
        except TimeoutError as error:
            text = f"{_shown(source.url)} did not answer within {self._timeout:g} s"
            raise DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, text) from error
        except (aiohttp.ClientError, ValueError) as error:
            text = f"{_shown(source.url)} can't be fetched: {type(error).__name__}"
            raise DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, text) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


def _news(before: Fetched, after: Fetched) -> bool:
    first = before.data is None and before.failure is None
    old = before.failure.message if before.failure else None
    new = after.failure.message if after.failure else None
    return first or before.data != after.data or old != new


def _shown(url: str) -> str:
    """Show a URL without its query, which may hold a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = stream.read(_LIMIT + 1) if is_file else b""
    except OSError as error:
        text = f"{path} can't be read: {error.strerror}"
        raise DaemonError(ErrorKind.NOT_IN_REGISTRY, text) from error
    if not is_file:
        raise DaemonError(ErrorKind.NOT_IN_REGISTRY, f"{path} is not a regular file")
    if len(data) > _LIMIT:
        raise _too_large()
    return data


async def _body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > _LIMIT:
            raise _too_large()
    return bytes(data)


def _too_large() -> DaemonError:
    return DaemonError(ErrorKind.TOO_LARGE, f"the namespace's file is larger than {_LIMIT} bytes")


def _refused(response: aiohttp.ClientResponse, *, place: str, token: bool) -> DaemonError:
    status = response.status
    text = f"{place} answered {status}"
    wait = retry_after(response.headers.get("Retry-After"), now=time.time())
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        hint = "the token is refused" if token else "it wants a token"
        text = f"{text}: {hint}; set `config-access-token` of this namespace"
        return DaemonError(ErrorKind.REGISTRY_REFUSED, text)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return DaemonError(ErrorKind.REGISTRY_RATE_LIMITED, text, retry_after=wait)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return DaemonError(ErrorKind.NOT_IN_REGISTRY, text)
    return DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, text, retry_after=wait)
