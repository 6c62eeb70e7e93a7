"""
One MCP server: a long-lived session, made anew when it is lost, and its last listing.

The session's context managers are entered and left by one task, `run`; calls come from other
tasks. Leaves out which namespace sees the server.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, cast

import anyio
import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from daemon.csi import interface as csi
from daemon.csi.mcp import format as text
from daemon.csi.mcp.http import LARGEST, SESSION_LOST, SessionTransport
from daemon.csi.mcp.status import ServerOptions, ServerStatus, State, Tally, Timings, shown
from daemon.errors import first

_log = logging.getLogger(__name__)

_MOST_PAGES = 100
_LARGEST_ERROR = 300  # characters, in status and log
_LAST_ANSWERS = 1.0
"""Seconds that the other calls of a forgotten session have to hear of it."""
_CALL_RESULT: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)


class _RefusedError(Exception):
    """What of a server we do not go along with."""


_FAILURES = (
    MCPError,
    ValidationError,
    TimeoutError,
    OSError,
    httpx2.HTTPError,
    RecursionError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,  # an answer that comes while the session is left
    _RefusedError,
)
"""What a server, and the network to it, can do to a session."""


class _Link:
    """One session, from its handshake until it is lost."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.lost = False
        self.idle = asyncio.Event()
        self.idle.set()
        self._calls = 0

    @contextmanager
    def call(self) -> Iterator[None]:
        """While a call of this session is under way."""
        self._calls += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self.idle.set()


class Connection:
    """Owned by `McpServers`, which runs `run` in a task; cancelling it closes the session."""

    def __init__(
        self, url: str, *, options: ServerOptions, timings: Timings, version: str = "0"
    ) -> None:
        """*version* is our own, told to the server."""
        self.tools: Mapping[str, csi.Tool] = {}
        self.tally = Tally()
        self.attempted = asyncio.Event()
        """Whether it is known if the server can be reached."""
        self._url = url
        self._options = options
        self._timings = timings
        self._info = types.Implementation(name="skilld", version=version)
        self._state: State = "connecting"
        self._error: str | None = None
        self._protocol: str | None = None
        self._server: str | None = None
        self._wake = asyncio.Event()
        self._link: asyncio.Future[_Link | None] = asyncio.get_running_loop().create_future()
        self._ended = False
        self._calls = 0
        self.idle = asyncio.Event()
        """Whether no call is under way."""
        self.idle.set()

    def status(self) -> ServerStatus:
        """What is known of the server; all of its tools."""
        return ServerStatus(
            url=shown(self._url),
            state=self._state,
            tools=tuple(sorted(self.tools)),
            protocol_version=self._protocol,
            server=self._server,
            error=self._error,
        )

    def end(self) -> None:
        """Make no new session. A failure while leaving one may hide that `run` was cancelled."""
        self._ended = True

    # The owner task ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a session for ever. A failure of the server is logged once, and so is its end."""
        delay = self._timings.retry
        try:
            while not self._ended:
                link = await self._hold_session()
                if link.client is not None:
                    delay = self._timings.retry
                if not self._ended and (link.client is None or not link.lost):
                    await self._pause(delay)
                    delay = min(2 * delay, self._timings.refresh)
        finally:
            self._settle(None)

    async def _pause(self, seconds: float) -> None:
        self._settle(None)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._renew()

    def _renew(self) -> None:
        """Let calls wait for the next session."""
        if self._link.done():
            self._link = asyncio.get_running_loop().create_future()

    def _settle(self, link: _Link | None) -> None:
        """Tell those who wait that there is a session, or that there is none for now."""
        self.attempted.set()
        if not self._link.done():
            self._link.set_result(link)

    def _report(self, error: str | None) -> None:
        if error is not None:
            error = " ".join(error.split())[:_LARGEST_ERROR]
        if error is None:
            self.tally.listings += 1
        else:
            self.tally.failures += 1
        if error is not None and self._state != "unreachable":
            _log.warning("MCP server %s: %s", shown(self._url), error)
        elif error is None and self._state == "unreachable":
            _log.info("MCP server %s can be reached again", shown(self._url))
        self._state = "ready" if error is None else "unreachable"
        self._error = error

    async def _hold_session(self) -> _Link:
        """Connect, and stay until the session ends."""
        link = _Link()
        self._wake.clear()
        try:
            await self._live(link)
        except* _FAILURES as group:
            if not link.lost:  # else other requests of the session may fail, too
                self._report(_words(first(group)))
        return link

    async def _live(self, link: _Link) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._options.connect):
                client = await stack.enter_async_context(self._connected())
                await self._list(client)
            link.client = client
            self._protocol = client.protocol_version
            self._server = _name(client.server_info)
            self._report(None)
            self._settle(link)
            try:
                await self._stay(link, client)
            finally:
                self._renew()  # before leaving, which may take a while

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        transport = SessionTransport(self._options)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport))
            client = Client(
                streamable_http_client(self._url, http_client=http, max_sse_event_size=LARGEST),
                client_info=self._info,
                message_handler=self._hear,
                read_timeout_seconds=self._options.connect,
                cache=None,
            )
            try:
                await stack.enter_async_context(client)
            except* RuntimeError as group:
                # That no version suits both is told by this type and its text alone.
                error = first(group)
                if "protocol version" not in str(error):
                    raise
                raise _RefusedError(str(error)) from error
            yield client

    def _lose(self, link: _Link) -> None:
        """The server knows the session no more: calls wait for the next one."""
        link.lost = True
        if self._link.done() and self._link.result() is link:
            self._renew()
        self._wake.set()

    async def _hear(self, message: types.ServerNotification | Exception) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._wake.set()

    async def _stay(self, link: _Link, client: Client) -> None:
        async with asyncio.TaskGroup() as group:
            name = f"subscription to {shown(self._url)}"
            subscription = group.create_task(self._subscribe(client), name=name)
            try:
                await self._until_due()
                while not link.lost and await self._refreshed(link, client):
                    await self._until_due()
                if link.lost:  # others will hear of it, too, and may then be repeated
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LAST_ANSWERS):
                            await link.idle.wait()
            finally:
                subscription.cancel()

    async def _until_due(self) -> None:
        usual = self._state == "ready"
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timings.refresh if usual else self._timings.retry):
                await self._wake.wait()
        self._wake.clear()

    async def _refreshed(self, link: _Link, client: Client) -> bool:
        """List anew. False if the session had better be made anew."""
        try:
            async with asyncio.timeout(self._options.connect):
                await self._list(client)
        except (MCPError, ValidationError, TimeoutError, _RefusedError) as error:
            link.lost = _forgotten(error)
            if not link.lost:
                self._report(_words(error))
            if self._calls and not link.lost:  # they may yet be answered
                return True
            self._renew()  # with the decision, so that no call is begun in a session that ends
            return False
        self._report(None)
        return True

    async def _subscribe(self, client: Client) -> None:
        """Hear of changes as the newest protocol tells them; the older ones need no asking."""
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return
        while True:
            with suppress(MCPError, SubscriptionLost, TimeoutError):
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._wake.set()
            await asyncio.sleep(self._timings.refresh)

    async def _list(self, client: Client) -> None:
        listed: dict[str, csi.Tool] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            for tool in text.tools(page.tools):
                listed.setdefault(tool.name, tool)  # of two with one name, the first counts
            if reason := text.too_much(listed.values()):
                raise _RefusedError(reason)
            cursor = page.next_cursor
            if cursor is None:
                break
        else:
            raise _RefusedError(f"it lists its tools on more than {_MOST_PAGES} pages")
        self.tools = listed

    # Calls, from any task ------------------------------------------------------------------------

    async def call(self, request: csi.ToolInvocation, caller: csi.Caller) -> csi.ToolResult:
        """Call a tool. What fails is the result; cancelling it cancels the call at the server."""
        self._calls += 1
        self.idle.clear()
        started = time.perf_counter()
        try:
            arguments = text.arguments(request.arguments)
            async with asyncio.timeout(self._options.call):
                return await self._call(request.name, arguments, meta=_meta(caller))
        except TimeoutError:
            return self._failed(f"no answer within {self._options.call:g} s")
        except (text.ArgumentError, ValidationError, _RefusedError) as error:
            return self._failed(_words(error))
        finally:
            self.tally.calls += 1
            self.tally.seconds += time.perf_counter() - started
            self._calls -= 1
            if not self._calls:
                self.idle.set()

    async def _call(
        self, name: str, arguments: dict[str, Any], *, meta: types.RequestParamsMeta
    ) -> csi.ToolResult:
        """Call once more where a first call certainly did nothing."""
        for last in (False, True):
            link = await self._session()
            if link is None or link.client is None:
                break
            try:
                with link.call():
                    return text.result(await _send(link.client, name, arguments, meta))
            except MCPError as error:
                if last or not await self._worth_repeating(link, error):
                    return self._failed(_words(error))
        return self._failed(self._error or "there is no session")

    async def _session(self) -> _Link | None:
        """Wait for a session; try at once to get one where the last try failed."""
        if self._link.done() and self._link.result() is None:
            self._renew()
            self._wake.set()
        pending = self._link
        await asyncio.wait([pending])
        return pending.result()

    async def _worth_repeating(self, link: _Link, error: MCPError) -> bool:
        if _forgotten(error):
            self._lose(link)
            return True
        if error.code == types.CONNECTION_CLOSED:
            self._wake.set()  # find out what is the matter
        if error.code == types.HEADER_MISMATCH and link.client is not None:
            await self._list(link.client)  # the schema that we know is out of date
            return True
        return False

    def _failed(self, reason: str) -> csi.ToolError:
        self.tally.unanswered += 1
        return csi.ToolError(
            f"The tool call could not be executed: MCP server {shown(self._url)}: {reason}"
        )


def _meta(caller: csi.Caller) -> types.RequestParamsMeta:
    """Trace headers travel in the message, since a session's connections serve all calls."""
    return cast(types.RequestParamsMeta, dict(caller.trace))


async def _send(
    client: Client, name: str, arguments: dict[str, Any], meta: types.RequestParamsMeta
) -> types.CallToolResult | types.InputRequiredResult:
    """
    Send a call, without `Client.call_tool`.

    That one also checks answers against the output schema that the server itself declares, which
    may hold a pattern that takes for ever, and which Skills never see.
    """
    params = types.CallToolRequestParams(name=name, arguments=arguments, _meta=meta)
    return await client.session.send_request(types.CallToolRequest(params=params), _CALL_RESULT)


def _forgotten(error: Exception) -> bool:
    return isinstance(error, MCPError) and error.code == SESSION_LOST


def _words(error: BaseException) -> str:
    match error:
        case MCPError():
            return text.refusal(error.error)
        case ValidationError():
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            return f"its answer is none of the protocol: {place}: {first['msg']}"
        case TimeoutError():
            return "no answer in time"
        case _:
            return str(error) or type(error).__name__


def _name(server: types.Implementation | None) -> str | None:
    return f"{server.name} {server.version}".strip() if server else None
