"""
The HTTP below one MCP session.

The official client ends a whole session with all its calls when one request meets a broken
connection, names no HTTP status, and reads answers of any size. So this transport answers such
failures itself, as JSON-RPC errors of the one request that met them; it also adds the token, which
is read anew for each request. Leaves out redirects: the official client follows them only within
the origin that it was given.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx2
import msgspec
from mcp_types import CONNECTION_CLOSED

from daemon.csi.mcp.status import ServerOptions
from daemon.errors import DaemonError

SESSION_LOST = -32098
"""Our own code, of the range for such: the server knows the session no more, and did nothing."""
_SESSION = "mcp-session-id"
_METHOD = "mcp-method"
_BRIEF = 5.0
"""Seconds for what nobody waits for: notifications, and the goodbye to a session."""
_LARGEST_ERROR = 64 << 10
LARGEST = 4 << 20
"""Bytes of an answer or event: the official client reads each in one go, as nothing else runs."""


class _Frame(msgspec.Struct):
    """What of a JSON-RPC message decides how long it may take."""

    method: str = ""


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that is cut off beyond a size; its failures are those of the body alone."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        try:
            async for part in self._inner:
                read += len(part)
                if read > self._limit:
                    raise httpx2.StreamError(f"the answer is larger than {self._limit} bytes")
                yield part
        except httpx2.TransportError as error:
            raise httpx2.StreamError(_reason(error)) from error

    async def aclose(self) -> None:
        await self._inner.aclose()


class SessionTransport(httpx2.AsyncBaseTransport):
    """Sends the requests of one session; owned by it, closed with it."""

    def __init__(self, options: ServerOptions, *, largest: int = LARGEST) -> None:
        """*largest* is that of a whole answer, in bytes."""
        self._options = options
        self._largest = largest
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request*; what fails comes back as an answer that says so."""
        response = await self._sent(request)
        if request.method == "DELETE":
            return await _parted(response)
        if request.method != "POST" or response.status_code < HTTPStatus.BAD_REQUEST:
            return self._bounded(response)
        if response.status_code == HTTPStatus.NOT_FOUND and _SESSION in request.headers:
            await response.aclose()
            return _answer(response.status_code, "the session is gone", code=SESSION_LOST)
        return await _readable(response)

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        try:
            if self._options.token:
                request.headers["authorization"] = f"Bearer {self._options.token.reveal()}"
            request.headers["accept-encoding"] = "identity"  # unpacked, no bound would hold
            request.extensions["timeout"] = self._timeout(request)
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, _reason(error))
        except DaemonError as error:
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, error.detail)
        if response.headers.get("content-encoding", "identity") == "identity":
            return response
        await response.aclose()
        said = "its answer is compressed, which it was asked not to do"
        return _answer(HTTPStatus.BAD_GATEWAY, said)

    def _timeout(self, request: httpx2.Request) -> dict[str, float | None]:
        """How long each step of *request* may take; streams of events may be silent for ever."""
        connect, read = self._options.connect, self._longest(request)
        return {"connect": connect, "pool": connect, "write": connect, "read": read}

    def _longest(self, request: httpx2.Request) -> float | None:
        if request.method == "GET" or request.headers.get(_METHOD) == "subscriptions/listen":
            return None
        if request.method == "DELETE" or _method(request).startswith("notifications/"):
            return min(_BRIEF, self._options.connect)
        return self._options.call + _BRIEF

    def _bounded(self, response: httpx2.Response) -> httpx2.Response:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return response  # without end; each of its events is bounded
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._largest)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def _method(request: httpx2.Request) -> str:
    try:
        return msgspec.json.decode(request.content, type=_Frame).method
    except msgspec.DecodeError:
        return ""


async def _parted(response: httpx2.Response) -> httpx2.Response:
    """A session that can't be ended is over already: nothing that anyone need hear of."""
    await response.aclose()
    return httpx2.Response(HTTPStatus.NO_CONTENT)


async def _readable(response: httpx2.Response) -> httpx2.Response:
    """Keep an answer that explains itself as JSON-RPC does; explain others by their status."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    try:
        body = b"".join([part async for part in _BoundedStream(response.stream, _LARGEST_ERROR)])
    except httpx2.StreamError:
        body = b""
    finally:
        await response.aclose()
    if response.status_code not in (401, 403) and _explains(body):
        headers = {"content-type": "application/json"}
        return httpx2.Response(response.status_code, headers=headers, content=body)
    return _answer(response.status_code, _status_text(response.status_code))


def _explains(body: bytes) -> bool:
    try:
        error: Any = msgspec.json.decode(body).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        return False
    return isinstance(error, dict) and "code" in error and "message" in error


def _status_text(status: int) -> str:
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    if status == HTTPStatus.UNAUTHORIZED:
        return f"it answered {phrase}: the operator has to set a token for it, or another one"
    return f"it answered {phrase}"


def _answer(status: int, message: str, *, code: int = CONNECTION_CLOSED) -> httpx2.Response:
    error = {"code": code, "message": message}
    return httpx2.Response(status, json={"jsonrpc": "2.0", "id": None, "error": error})


def _reason(error: httpx2.TransportError) -> str:
    match error:
        case httpx2.ConnectTimeout():
            return "it could not be connected to in time"
        case httpx2.TimeoutException():
            return "it did not answer in time"
        case httpx2.ConnectError():
            return f"it could not be connected to: {error}"
        case _:
            return f"the connection broke: {str(error) or type(error).__name__}"
