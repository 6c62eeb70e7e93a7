"""
The MCP servers of all namespaces: a source of tools beside the native ones.

Which namespace names which servers is asked for at each use, and now and then between uses, so a
server that is named is connected to before it is needed, and one that is not named any more is
dropped for good. Namespaces that name the same URL share its session, unless the operator sets
different options for them.

Of two tools with one name, the native one answers, else that of the server that stands first in
`namespace.toml`; `status` tells what is shadowed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from daemon.csi import interface as csi
from daemon.csi.mcp.status import ServerOptions, ServerStatus, Tally, Timings, shown
from daemon.names import Namespace
from daemon.tasks import Tasks

if TYPE_CHECKING:
    from daemon.csi.mcp.connection import Connection

_log = logging.getLogger(__name__)


class Enabled(Protocol):
    """What a namespace enables."""

    @property
    def native(self) -> Sequence[str]:
        """Names of native tools."""
        ...

    @property
    def mcp_servers(self) -> Sequence[str]:
        """URLs, in the order in which they win."""
        ...


Key = tuple[str, ServerOptions]


@dataclass(frozen=True, slots=True)
class _Server:
    """A connection and the task that runs it."""

    connection: Connection
    task: asyncio.Task[None]


def _default_options(_: Namespace, __: str) -> ServerOptions:
    return ServerOptions()


class McpServers:
    """A `ToolSource`. It owns all connections; `start` and `close` it within one event loop."""

    def __init__(
        self,
        enabled: Callable[[], Mapping[Namespace, Enabled]],
        *,
        options: Callable[[Namespace, str], ServerOptions] = _default_options,
        on_fatal: Callable[[BaseException], None],
        timings: Timings | None = None,
        version: str = "0",
    ) -> None:
        """
        *enabled* tells what each namespace enables now; *options* what is set for a server.

        *on_fatal* hears of it when what is named is no longer followed: end the process.
        """
        self._enabled = enabled
        self._options = options
        self._timings = timings or Timings()
        self._version = version
        self._servers: dict[Key, _Server] = {}
        self._shadowed: dict[Namespace, Mapping[str, tuple[str, ...]]] = {}
        self._tasks = Tasks(on_fatal=on_fatal)
        self._running = False

    async def start(self) -> None:
        """Connect to what is named, and follow changes."""
        self._running = True
        self._tasks.spawn(self._follow_for_ever(), name="MCP servers", fatal=True)

    async def close(self) -> None:
        """Leave all sessions. Calls under way fail."""
        self._running = False
        for server in self._servers.values():
            server.connection.end()
        self._servers.clear()
        await self._tasks.close()

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        """See `ToolSource`."""
        connections = await self._of(caller)
        return list(_winners(connections).values())

    async def invoke(
        self, request: csi.ToolInvocation, caller: csi.Caller
    ) -> csi.ToolResult | None:
        """See `ToolSource`."""
        connections = await self._of(caller)
        for connection in connections:
            if request.name in connection.tools:
                return await connection.call(request, caller)
        unknown = [one.status() for one in connections if not one.tools]
        reasons = [
            f"{one.url}: {one.error or 'not yet'}" for one in unknown if one.state != "ready"
        ]
        if not reasons:
            return None
        return csi.ToolError(
            f"Tool {request.name} was not found on any server. "
            f"These could not be reached: {'; '.join(reasons)}"
        )

    def status(self, namespace: Namespace) -> tuple[ServerStatus, ...]:
        """What is known of the servers of a namespace, in the order in which they win."""
        enabled = self._enabled().get(namespace)
        if enabled is None:
            return ()
        taken = set(enabled.native)
        found: list[ServerStatus] = []
        for connection in self._connections(namespace, enabled):
            known = connection.status()
            found.append(_without(known, taken))
            taken.update(known.tools)
        return tuple(found)

    def known(self) -> Sequence[tuple[ServerStatus, Tally]]:
        """Each connection there is, whoever names it."""
        return [(one.connection.status(), one.connection.tally) for one in self._servers.values()]

    async def _of(self, caller: csi.Caller) -> Sequence[Connection]:
        """The servers of the caller's namespace, each tried at least once if that takes no age."""
        namespace = caller.namespace
        enabled = self._enabled().get(namespace) if namespace is not None else None
        if namespace is None or enabled is None or not enabled.mcp_servers:
            return ()
        await asyncio.to_thread(_import_client)
        connections = self._connections(namespace, enabled)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timings.first):
                for connection in connections:
                    await connection.attempted.wait()
        return connections

    def _connections(self, namespace: Namespace, enabled: Enabled) -> Sequence[Connection]:
        """The connections of a namespace; those that are missing are made."""
        if not self._running:
            return ()
        keys = self._keys(namespace, enabled.mcp_servers)
        return [self._server(key).connection for key in keys]

    def _server(self, key: Key) -> _Server:
        server = self._servers.get(key)
        if server is None or server.task.done():  # done: it met a bug, which was logged
            server = self._servers[key] = self._connect(key)
        return server

    def _keys(self, namespace: Namespace, urls: Iterable[str]) -> Sequence[Key]:
        return [(url, self._options(namespace, url)) for url in dict.fromkeys(urls)]

    # Following what is named ---------------------------------------------------------------------

    async def _follow_for_ever(self) -> None:
        while True:
            if any(enabled.mcp_servers for enabled in self._enabled().values()):
                await asyncio.to_thread(_import_client)
            self._follow()
            await asyncio.sleep(self._timings.follow)

    def _follow(self) -> None:
        """Connect to what is newly named, drop what is not named any more."""
        wanted: set[Key] = set()
        named = self._enabled()
        for namespace, enabled in named.items():
            wanted.update(self._keys(namespace, enabled.mcp_servers))
            self._report(namespace)
        for key in self._servers.keys() - wanted:
            dropped = self._servers.pop(key)
            dropped.connection.end()
            self._tasks.spawn(_end(dropped), name=f"end of {shown(key[0])}")
        for namespace in self._shadowed.keys() - named.keys():
            del self._shadowed[namespace]

    def _connect(self, key: Key) -> _Server:
        url, options = key
        connection = _import_client()(
            url, options=options, timings=self._timings, version=self._version
        )
        task = self._tasks.spawn(connection.run(), name=f"MCP server {shown(url)}")
        return _Server(connection, task)

    def _report(self, namespace: Namespace) -> None:
        """Log tools that became shadowed."""
        shadowed = {one.url: one.shadowed for one in self.status(namespace) if one.shadowed}
        if shadowed != self._shadowed.get(namespace, {}):
            for url, names in shadowed.items():
                _log.warning(
                    "namespace %s: other tools of these names win over those of %s: %s",
                    namespace, url, ", ".join(names),
                )  # fmt: skip
        self._shadowed[namespace] = shadowed


def _import_client() -> type[Connection]:
    """The official client takes 40 MB and half a second: only where a server is named."""
    from daemon.csi.mcp.connection import Connection  # noqa: PLC0415

    return Connection


async def _end(server: _Server) -> None:
    """Let calls finish, then leave the session."""
    await server.connection.idle.wait()
    server.task.cancel()
    await asyncio.wait([server.task])


def _winners(connections: Iterable[Connection]) -> Mapping[str, csi.Tool]:
    found: dict[str, csi.Tool] = {}
    for connection in connections:
        for name, tool in connection.tools.items():
            found.setdefault(name, tool)
    return found


def _without(known: ServerStatus, taken: set[str]) -> ServerStatus:
    return replace(
        known,
        tools=tuple(name for name in known.tools if name not in taken),
        shadowed=tuple(name for name in known.tools if name in taken),
    )
