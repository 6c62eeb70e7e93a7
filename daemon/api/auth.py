"""
Asks the identity service (IAM) whether a bearer token may call, and remembers the answer briefly.

Only hashes of tokens are kept. Leaves out which routes need a token (`app`).
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import msgspec
from cachetools import TTLCache

from daemon.errors import DaemonError, ErrorKind
from daemon.observability.tracing import outgoing

_log = logging.getLogger(__name__)

PERMISSIONS = [{"permission": "KernelAccess"}]


class _Permission(msgspec.Struct):
    permission: str


class _Granted(msgspec.Struct):
    """What matters of the service's answer."""

    permissions: list[_Permission]


class Anyone:
    """No identity service is configured: every caller is let through."""

    async def check(self, token: str | None) -> None:
        """See `ports.Authorizer`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """How long (seconds) answers are kept, and how many."""

    granted: float = 10.0
    refused: float = 2.0
    entries: int = 10_000


class Iam:
    """
    The service at `{url}/check_user`. Owns its session, caches and the checks under way.

    An answer is kept under a hash of the token. Callers with the same token share one check.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        remember: Remember | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*timeout* bounds one check, in seconds."""
        remember = remember or Remember()
        self._url = f"{url.rstrip('/')}/check_user"
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._granted = TTLCache[bytes, None](remember.entries, remember.granted, timer=clock)
        self._refused = TTLCache[bytes, None](remember.entries, remember.refused, timer=clock)
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._failing = False

    async def check(self, token: str | None) -> None:
        """See `ports.Authorizer`."""
        if token is None:
            raise DaemonError(
                ErrorKind.TOKEN_MISSING,
                "Send a bearer token: 'Authorization: Bearer <token>'.",
            )
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        if key in self._granted:
            return
        if key in self._refused or not await self._shared_check(key, token):
            raise DaemonError(
                ErrorKind.TOKEN_REFUSED, "The bearer token is invalid, or may not call Skills."
            )

    async def _shared_check(self, key: bytes, token: str) -> bool:
        """One check per token at a time; a caller that leaves does not end it for the others."""
        check = self._checks.get(key)
        if check is None:
            check = asyncio.get_running_loop().create_task(self._ask(token), name="check token")
            self._checks[key] = check
            check.add_done_callback(lambda done: self._checked(key, done))
        return await asyncio.shield(check)

    def _checked(self, key: bytes, check: "asyncio.Task[bool]") -> None:
        del self._checks[key]
        if check.cancelled():
            return
        error = check.exception()
        self._report(error)
        if error is None:
            (self._granted if check.result() else self._refused)[key] = None

    def _report(self, error: BaseException | None) -> None:
        if error is not None and not self._failing:
            _log.error("tokens can't be checked: %s", error)
        elif error is None and self._failing:
            _log.info("tokens can be checked again")
        self._failing = error is not None

    async def _ask(self, token: str) -> bool:
        """Whether the service grants the call. Raises DaemonError when it gives no answer."""
        headers = {"Authorization": f"Bearer {token}", **dict(outgoing())}
        try:
            async with self._open().post(
                self._url, json={"permissions": PERMISSIONS}, headers=headers, allow_redirects=False
            ) as answer:
                return _granted(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _unavailable(_reason(error)) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def close(self) -> None:
        """End the checks under way and the connections."""
        for check in list(self._checks.values()):
            check.cancel()
        await asyncio.gather(*self._checks.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _granted(status: int, body: bytes) -> bool:
    """Refused by 401 and 403, and by a 200 that grants anything but what was asked."""
    if status in {401, 403}:
        return False
    if status != 200:
        raise _unavailable(f"the service answered {status}")
    try:
        answer = msgspec.json.decode(body, type=_Granted)
    except msgspec.DecodeError as error:
        raise _unavailable("the service's answer is not understood") from error
    return [one.permission for one in answer.permissions] == ["KernelAccess"]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the service did not answer in time"
    return f"the service can't be reached ({type(error).__name__})"


def _unavailable(reason: str) -> DaemonError:
    return DaemonError(
        ErrorKind.AUTHORIZATION_UNAVAILABLE,
        f"Your token can't be checked for now: {reason}. Try again later.",
    )
