"""MCP servers as processes, and sources of tools that use them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.csi import interface as csi
from daemon.csi.mcp.servers import McpServers
from daemon.csi.mcp.status import ServerOptions, Timings
from daemon.names import Namespace
from tests.mcp_server import McpProcess, mcp_server
from tests.waiting import unexpected

TEAM = Namespace("team")
CALLER = csi.Caller(namespace=TEAM)
SOON = Timings(refresh=60, retry=0.02, follow=0.02, first=20)

Server = Callable[..., McpProcess]
Open = Callable[..., Awaitable[McpServers]]


@dataclass(frozen=True)
class Tools:
    """What a namespace enables."""

    mcp_servers: tuple[str, ...] = ()
    native: tuple[str, ...] = ()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """`server(tools=["greet"])`: a running one."""
    with ExitStack() as stack:
        numbers = iter(range(100))

        def start(**behaviour: Any) -> McpProcess:
            log = tmp_path / f"server-{next(numbers)}.log"
            return stack.enter_context(mcp_server(log, **behaviour))

        yield start


@pytest.fixture
async def open_servers() -> AsyncIterator[Open]:
    """`await open_servers(url)`: the source of tools of the namespace `team`, or as given."""
    opened: list[McpServers] = []

    async def open_all(
        *urls: str,
        enabled: Mapping[Namespace, Tools] | None = None,
        options: ServerOptions | None = None,
        timings: Timings = SOON,
    ) -> McpServers:
        named = enabled if enabled is not None else {TEAM: Tools(urls)}
        set_for_all = options or ServerOptions(connect=20, call=20)
        servers = McpServers(
            lambda: named,
            options=lambda *_: set_for_all,
            on_fatal=unexpected,
            timings=timings,
        )
        await servers.start()
        opened.append(servers)
        return servers

    yield open_all
    for servers in opened:
        await servers.close()


async def call(servers: McpServers, tool: str, **arguments: str) -> csi.ToolResult | None:
    """Call a tool as a Skill of `team` does."""
    given = [csi.ToolArgument(name, f'"{value}"'.encode()) for name, value in arguments.items()]
    return await servers.invoke(csi.ToolInvocation(tool, given), CALLER)


async def names(servers: McpServers) -> list[str]:
    """What `team` is offered."""
    return [tool.name for tool in await servers.list(CALLER)]
