"""
One request to an inference backend, bounded in time, size and number of attempts.

Repeats only what is safe: no connection, no byte of an answer, or a refusal that asks for
patience; never a stream that began. Leaves out what is asked and what the answer means.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import aiohttp

from daemon.csi import interface as csi
from daemon.csi.inference.failures import Refusal, explain_refusal, malformed, read_refusal
from daemon.csi.inference.sse import OversizedEventError, SseEvent, SseParser
from daemon.errors import DaemonError, ErrorKind

_MAX_REFUSAL = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Times in seconds, sizes in bytes. `first_byte` is how long a model may think."""

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 60.0
    whole: float = 900.0
    answer: int = 64 << 20
    event: int = 1 << 20
    attempts: int = 4
    backoff: float = 0.5
    longest_backoff: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What to send. `body` None makes it a GET; `model` is for error texts."""

    path: str
    model: str
    caller: csi.Caller
    token: str | None = field(default=None, repr=False)
    body: bytes | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Trace headers of the caller, its token or ours, and the type of the body."""
        headers = dict(self.caller.trace)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        return headers


class Backend:
    """A base URL and the session that all drivers share; the session's owner closes it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        bounds: Bounds | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """*jitter* returns numbers in [0, 1)."""
        self._session = session
        self._url = url.rstrip("/")
        self._bounds = bounds or Bounds()
        self._sleep = sleep
        self._jitter = jitter

    async def fetch(self, call: Call) -> bytes:
        """Return the whole body of a good answer. Raises DaemonError of the CSI_* kinds."""
        ends = self._ends(call)
        response = await self._open(call, ends)
        async with aclosing(self._pieces(response, ends)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def events(self, call: Call) -> AsyncGenerator[SseEvent, None]:
        """Yield the events of a good answer; closing the generator closes the connection."""
        ends = self._ends(call)
        response = await self._open(call, ends)
        parser = SseParser(max_event=self._bounds.event)
        async with aclosing(self._pieces(response, ends)) as pieces:
            async for piece in pieces:
                try:
                    events = parser.feed(piece)
                except OversizedEventError as error:
                    raise malformed(str(error)) from error
                for event in events:
                    yield event

    async def _pieces(
        self, response: aiohttp.ClientResponse, ends: float
    ) -> AsyncGenerator[bytes, None]:
        left = self._bounds.answer
        try:
            while piece := await self._read(response, ends):
                left -= len(piece)
                if left < 0:
                    raise malformed(f"it is larger than {self._bounds.answer} bytes")
                yield piece
        finally:
            response.close()  # at once; a connection whose answer is complete is kept

    async def _read(self, response: aiohttp.ClientResponse, ends: float) -> bytes:
        try:
            async with asyncio.timeout_at(min(ends, self._now() + self._bounds.idle)):
                return await response.content.readany()
        except TimeoutError as error:
            raise _too_slow("stopped answering in the middle") from error
        except (aiohttp.ClientError, OSError) as error:
            raise DaemonError(
                ErrorKind.CSI_UPSTREAM,
                "the connection to the inference backend broke in the middle of its answer",
            ) from error

    async def _open(self, call: Call, ends: float) -> aiohttp.ClientResponse:
        """Send until there is a good answer, nothing left to try, or no time."""
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._attempt(call, ends)
            if isinstance(outcome, aiohttp.ClientResponse):
                return outcome
            error, repeatable = outcome
            delay = self._delay(attempt, error.retry_after)
            out_of_time = self._now() + delay >= ends
            if not repeatable or attempt >= self._bounds.attempts or out_of_time:
                raise error
            await self._sleep(delay)

    async def _attempt(
        self, call: Call, ends: float
    ) -> aiohttp.ClientResponse | tuple[DaemonError, bool]:
        try:
            response = await self._send(call, ends)
        except (TimeoutError, aiohttp.ConnectionTimeoutError) as error:
            connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
            return _too_slow("can't be reached" if connecting else "did not answer"), connecting
        except (aiohttp.InvalidURL, ValueError) as error:
            raise DaemonError(
                ErrorKind.CONFIGURATION, "the URL of the inference backend is not valid"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            return _unreachable(error), not isinstance(error, aiohttp.ClientResponseError)
        if response.status < 300:
            return response
        refusal = await self._refusal(response, call, ends)
        error_ = explain_refusal(refusal, path=call.path, model=call.model)
        return error_, refusal.repeatable

    async def _send(self, call: Call, ends: float) -> aiohttp.ClientResponse:
        bounds = self._bounds
        async with asyncio.timeout_at(min(ends, self._now() + bounds.first_byte)):
            return await self._session.request(
                "GET" if call.body is None else "POST",
                f"{self._url}/{call.path}",
                data=call.body,
                headers=call.headers,
                allow_redirects=False,  # the token goes nowhere else
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=bounds.connect),
            )

    async def _refusal(self, response: aiohttp.ClientResponse, call: Call, ends: float) -> Refusal:
        body = b""
        async with aclosing(self._pieces(response, ends)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) >= _MAX_REFUSAL:
                    break
        return read_refusal(
            response.status,
            body[:_MAX_REFUSAL],
            retry_after=response.headers.get("Retry-After"),
            secret=call.token,
        )

    def _delay(self, attempt: int, asked: float | None) -> float:
        if asked is not None:
            return asked + self._bounds.backoff * self._jitter()
        grown = min(self._bounds.backoff * 2.0 ** (attempt - 1), self._bounds.longest_backoff)
        return grown * (0.5 + self._jitter() / 2)

    def _ends(self, call: Call) -> float:
        whole = self._now() + self._bounds.whole
        deadline = call.caller.deadline
        return whole if deadline is None else min(whole, deadline)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _too_slow(what: str) -> DaemonError:
    return DaemonError(ErrorKind.CSI_TIMEOUT, f"the inference backend {what} within the time limit")


def _unreachable(error: Exception) -> DaemonError:
    # Only the operating system's word: the texts of the client hold addresses.
    reason = getattr(error, "strerror", None) or type(error).__name__
    return DaemonError(ErrorKind.CSI_UPSTREAM, f"the inference backend can't be reached: {reason}")
