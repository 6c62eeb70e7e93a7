"""
One request to a backend, bounded in time, size and number of attempts.

Repeats only what is safe: no connection, one that was idle and is lost before any answer, or a
refusal that asks for patience; never a plain 500 (the request may be what breaks the backend), nor
an answer that began. Leaves out what is asked and what the answer means.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import aiohttp

from daemon.csi import interface as csi
from daemon.csi.inference.connections import Failed, Progress, broken, explain_failure, too_slow
from daemon.csi.inference.failures import (
    INFERENCE,
    Asked,
    explain_refusal,
    malformed,
    read_refusal,
    refused_inside,
)
from daemon.csi.inference.sse import OversizedEventError, SseEvent, SseParser
from daemon.units import retry_after

_MAX_REFUSAL = 64 << 10
_DONE = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """
    Times in seconds, sizes in bytes.

    `first_byte` is how long a model may think: until the head of its answer, and once more until
    the first of its body, as some backends send the head at once. `drain` is how long a connection
    may take to become free after the last event, `patience` how long a backend may ask us to stay
    away.
    """

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 60.0
    whole: float = 900.0
    drain: float = 0.25
    answer: int = 64 << 20
    event: int = 1 << 20
    attempts: int = 4
    backoff: float = 0.5
    longest_backoff: float = 15.0
    patience: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """`jitter` returns numbers in [0, 1); `wall_clock` is what a `Retry-After` date means."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    wall_clock: Callable[[], float] = time.time


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

    @property
    def asked(self) -> Asked:
        """What decoders need for the texts of their errors."""
        return Asked(self.path, self.model, self.token)


class Backend:
    """A base URL and the session that all drivers share (`open_session`), whose owner closes it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        name: str = INFERENCE,
        bounds: Bounds | None = None,
        waits: Waits | None = None,
    ) -> None:
        """*name* is for the texts of errors: what the backend is to a caller."""
        self._session = session
        self._url = url.rstrip("/")
        self._name = name
        self._bounds = bounds or Bounds()
        self._waits = waits or Waits()

    async def fetch(self, call: Call) -> bytes:
        """Return the whole body of a good answer. Raises DaemonError of the CSI_* kinds."""
        ends = self._ends(call)
        response = await self._open(call, ends)
        async with aclosing(self._thought(response, ends)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def events(self, call: Call) -> AsyncGenerator[SseEvent, None]:
        """
        Yield the events of a good answer up to `[DONE]`, which is left out, or its end.

        Closing the generator closes the connection at once; one that ended is free for the next
        request. Raises DaemonError of the CSI_* kinds, also for an event that tells an error.
        """
        ends = self._ends(call)
        response = await self._open(call, ends)
        if response.content_type == "application/json":  # no stream: an error with status 200
            raise refused_inside(await self._beginning(response, ends), self._asked(call))
        parser = SseParser(max_event=self._bounds.event)
        async with aclosing(self._thought(response, ends)) as pieces:
            async for piece in pieces:
                for event in self._parsed(parser, piece):
                    if event.data == _DONE:
                        await self._drain(response)
                        return
                    if event.type == "error":
                        raise refused_inside(event.data, self._asked(call))
                    yield event

    def _thought(
        self, response: aiohttp.ClientResponse, ends: float
    ) -> AsyncGenerator[bytes, None]:
        """The answer of a model, whose first token may take long."""
        return self._pieces(response, ends, first=self._bounds.first_byte)

    async def _pieces(
        self, response: aiohttp.ClientResponse, ends: float, *, first: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        left, wait = self._bounds.answer, first or self._bounds.idle
        try:
            while piece := await self._read(response, min(ends, self._now() + wait)):
                wait = self._bounds.idle
                left -= len(piece)
                if left < 0:
                    raise malformed(f"it is larger than {self._bounds.answer} bytes", self._name)
                yield piece
        finally:
            response.close()  # at once; a connection whose answer is complete is kept

    async def _read(self, response: aiohttp.ClientResponse, until: float) -> bytes:
        try:
            async with asyncio.timeout_at(until):
                return await response.content.readany()
        except TimeoutError as error:
            raise too_slow("stopped answering in the middle", self._name) from error
        except (aiohttp.ClientError, OSError) as error:
            raise broken("in the middle of its answer", self._name) from error

    def _parsed(self, parser: SseParser, piece: bytes) -> list[SseEvent]:
        try:
            return parser.feed(piece)
        except OversizedEventError as error:
            raise malformed(str(error), self._name) from error

    def _asked(self, call: Call) -> Asked:
        return replace(call.asked, who=self._name)

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        """Read the rest, nothing but the end mark, so that the connection can be kept."""
        try:
            async with asyncio.timeout(self._bounds.drain):
                while await response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError):
            return  # everything asked for is here; the connection is closed instead of kept

    async def _open(self, call: Call, ends: float) -> aiohttp.ClientResponse:
        """Send until there is a good answer, nothing left to try, or no time."""
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._attempt(call, ends)
            if isinstance(outcome, aiohttp.ClientResponse):
                return outcome
            delay = self._delay(attempt, outcome.error.retry_after)
            out_of_time = self._now() + delay >= ends
            if not outcome.repeatable or attempt >= self._bounds.attempts or out_of_time:
                raise outcome.error
            await self._waits.sleep(delay)

    async def _attempt(self, call: Call, ends: float) -> aiohttp.ClientResponse | Failed:
        progress = Progress(self._name)
        try:
            response = await self._send(call, ends, progress)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failed = explain_failure(error, progress)
            failed.error.__cause__ = error  # raised later, if at all
            return failed
        return response if response.status < 300 else await self._refused(response, call, ends)

    async def _send(self, call: Call, ends: float, progress: Progress) -> aiohttp.ClientResponse:
        bounds = self._bounds
        async with asyncio.timeout_at(min(ends, self._now() + bounds.first_byte)):
            return await self._session.request(
                "GET" if call.body is None else "POST",
                f"{self._url}/{call.path}",
                data=call.body,
                headers=call.headers,
                allow_redirects=False,  # the token goes nowhere else
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=bounds.connect),
                trace_request_ctx=progress,
            )

    async def _refused(self, response: aiohttp.ClientResponse, call: Call, ends: float) -> Failed:
        body = await self._beginning(response, ends)
        wait = retry_after(response.headers.get("Retry-After"), now=self._waits.wall_clock())
        refusal = read_refusal(response.status, body, self._asked(call))
        error = explain_refusal(replace(refusal, retry_after=wait), self._asked(call))
        return Failed(error, repeatable=refusal.repeatable and (wait or 0) <= self._bounds.patience)

    async def _beginning(self, response: aiohttp.ClientResponse, ends: float) -> bytes:
        """Enough of an answer to say what went wrong; the rest is not waited for."""
        body = b""
        async with aclosing(self._pieces(response, ends)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) >= _MAX_REFUSAL:
                    break
        return body[:_MAX_REFUSAL]

    def _delay(self, attempt: int, asked: float | None) -> float:
        if asked is not None:
            return asked + self._bounds.backoff * self._waits.jitter()
        grown = min(self._bounds.backoff * 2.0 ** (attempt - 1), self._bounds.longest_backoff)
        return grown * (0.5 + self._waits.jitter() / 2)

    def _ends(self, call: Call) -> float:
        whole = self._now() + self._bounds.whole
        deadline = call.caller.deadline
        return whole if deadline is None else min(whole, deadline)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
