"""
Reads request bodies: all of them under one budget of memory, each within a time.

What is read counts until its request ends: the body lives as long. Leaves out what is in a body,
and its type and coding (`requests`). A head that comes too slowly never becomes a request: its
connection is closed with the idle ones (`server`).
"""

import asyncio

from aiohttp import HttpVersion11, web

from daemon.api.ports import Options
from daemon.errors import DaemonError, ErrorKind

_UNCOUNTED = 64 << 10  # bytes of each body: a few big ones don't shut out all the small ones
_HELD = web.RequestKey("held", int)


class Bodies:
    """How much of the budget is left. Owned by the application, used by its loop alone."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._free = options.body_memory
        self.limit = min(options.body_limit, _UNCOUNTED + options.body_memory)

    async def read(self, request: web.Request) -> bytes:
        """Read the body as it came. Raises DaemonError: too large, too slow, broken, no room."""
        if request.content.is_eof():  # it came with its head, as most do
            body = request.content.read_nowait()
            self.hold(request, len(body))
            return body
        self._check(request, request.content_length or 0)
        await _go_on(request)
        clock = asyncio.get_running_loop().time
        end = clock() + self._options.body_time
        try:
            async with asyncio.timeout_at(end) as timeout:
                return await self._receive(request, timeout, end)
        except TimeoutError as error:
            raise _too_slow(self._options, late=clock() >= end) from error
        except web.RequestPayloadError as error:
            raise DaemonError(
                ErrorKind.MALFORMED_REQUEST, "The request body is not valid HTTP."
            ) from error

    async def _receive(self, request: web.Request, timeout: asyncio.Timeout, end: float) -> bytes:
        """Read to the end; each piece that comes puts the time-out off, never beyond *end*."""
        clock = asyncio.get_running_loop().time
        chunks: list[bytes] = []
        size = 0
        while True:
            timeout.reschedule(min(end, clock() + self._options.body_silence))
            chunk = await request.content.readany()
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            self.hold(request, size)
            chunks.append(chunk)

    def hold(self, request: web.Request, size: int) -> None:
        """Count *size* bytes for *request*, in place of what it had. Raises DaemonError."""
        more = self._check(request, size)
        self._free -= more
        request[_HELD] = request.get(_HELD, 0) + more

    def release(self, request: web.Request) -> None:
        """The request has ended."""
        self._free += request.get(_HELD, 0)

    def _check(self, request: web.Request, size: int) -> int:
        """How many bytes more that is to count."""
        if size > self.limit:
            raise DaemonError(
                ErrorKind.PAYLOAD_TOO_LARGE, f"The request body is larger than {self.limit} bytes."
            )
        held: int = request.get(_HELD, 0)
        more = max(0, size - _UNCOUNTED) - held
        if more > self._free:
            raise DaemonError(
                ErrorKind.OVERLOADED,
                "Request bodies take all the memory that this server has for them. Try again.",
            )
        return more


async def _go_on(request: web.Request) -> None:
    """Tell a client to send its body that waits for this word: nothing stands against it."""
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    if expected and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response itself has not begun


async def wait_with_continue(_: web.Request) -> None:
    """Stand in for aiohttp's answer to `Expect`, which comes before anything is checked."""


def _too_slow(options: Options, *, late: bool) -> DaemonError:
    why = (
        f"It took longer than {options.body_time:g} s."
        if late
        else f"Nothing came for {options.body_silence:g} s."
    )
    return DaemonError(ErrorKind.REQUEST_TIMEOUT, f"The request body did not arrive. {why}")


BODIES = web.AppKey("bodies", Bodies)
