"""Which servers a namespace has and whose tool wins, against real servers."""

import asyncio
import logging
import subprocess
import sys

import pytest

from daemon.csi import interface as csi
from daemon.csi.mcp.servers import McpServers
from daemon.csi.mcp.status import ServerOptions, Timings
from daemon.csi.tools import NativeTools, Toolbox
from daemon.names import Namespace
from daemon.secret import Secret
from tests.csi.mcp.conftest import CALLER, SOON, TEAM, Open, Server, Tools, call, names
from tests.waiting import unexpected, until

OTHER = Namespace("other")


async def test_tools_are_listed_and_called(server: Server, open_servers: Open) -> None:
    """Also those without description."""
    servers = await open_servers(server(tools=["greet", "undescribed"]).url)
    assert await names(servers) == ["greet", "undescribed"]
    assert await call(servers, "greet", who="Ada") == csi.ToolOutput(["stub: hello Ada"])


async def test_the_server_named_first_wins(server: Server, open_servers: Open) -> None:
    """In listings, in calls, and in what is reported."""
    first = server(name="first", tools=["greet", "a"])
    second = server(name="second", tools=["greet", "b"])
    servers = await open_servers(second.url, first.url)
    assert sorted(await names(servers)) == ["a", "b", "greet"]
    assert await call(servers, "greet") == csi.ToolOutput(["second: hello you"])
    assert [(one.tools, one.shadowed) for one in servers.status(TEAM)] == [
        (("b", "greet"), ()),
        (("a",), ("greet",)),
    ]


async def test_shadowed_tools_are_logged_once(
    server: Server, open_servers: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Native tools win over all servers."""
    with caplog.at_level(logging.WARNING, logger="daemon.csi.mcp"):
        named = {TEAM: Tools((server(tools=["add", "greet"]).url,), native=("add",))}
        servers = await open_servers(enabled=named)
        await until(lambda: bool(caplog.records))
        box = Toolbox(NativeTools(lambda _: ("add",)), servers)
        listed = await box.list(CALLER)
    assert [tool.description for tool in listed] == ["Add two numbers", "The tool greet"]
    assert servers.status(TEAM)[0].shadowed == ("add",)
    assert len(caplog.records) == 1
    assert "add" in caplog.text


async def test_what_happens_to_a_server_is_tallied(server: Server, open_servers: Open) -> None:
    """A tool's own error is an answer; what could not be executed is not."""
    process = server(tools=["greet", "fail", "hang"])
    options = ServerOptions(connect=20, call=0.3)
    servers = await open_servers(process.url, "http://127.0.0.1:1/mcp", options=options)
    await names(servers)
    for tool in ("greet", "fail", "hang"):
        await call(servers, tool)
    await until(lambda: all(one.failures or one.listings for _, one in servers.known()))
    found = {status.url: tally for status, tally in servers.known()}
    live, dead = found[process.url], found["http://127.0.0.1:1/mcp"]
    assert (live.listings, live.failures, live.calls, live.unanswered) == (1, 0, 3, 1)
    assert live.seconds >= 0.3
    assert dead.listings == 0 and dead.failures > 0


async def test_a_dead_server_costs_only_its_own_tools(server: Server, open_servers: Open) -> None:
    """A tool that nobody is known to have is an error that names who could not be asked."""
    dead = "http://127.0.0.1:1/mcp?key=secret"
    servers = await open_servers(dead, server().url)
    assert await names(servers) == ["greet"]
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])
    match await call(servers, "gone"):
        case csi.ToolError(message):
            assert message.startswith("Tool gone was not found on any server. These could not be")
            assert "http://127.0.0.1:1/mcp: it could not be connected to" in message
            assert "secret" not in message
        case other:
            pytest.fail(str(other))
    assert [one.state for one in servers.status(TEAM)] == ["unreachable", "ready"]


async def test_unknown_tools_are_left_to_others(server: Server, open_servers: Open) -> None:
    """All servers are known, and none has it."""
    servers = await open_servers(server().url)
    assert await call(servers, "gone") is None


async def test_namespaces_share_a_session(server: Server, open_servers: Open) -> None:
    """One handshake serves all that name the URL."""
    process = server(era="sessions")
    named = {TEAM: Tools((process.url,)), OTHER: Tools((process.url,))}
    servers = await open_servers(enabled=named)
    assert await names(servers) == ["greet"]
    other = await servers.list(csi.Caller(namespace=OTHER))
    assert [tool.name for tool in other] == ["greet"]
    assert len(process.asked("initialize")) == 1


async def test_namespaces_with_other_tokens_have_sessions_of_their_own(server: Server) -> None:
    """What one may, the other need not be allowed."""
    process = server(token="right")
    named = {TEAM: Tools((process.url,)), OTHER: Tools((process.url,))}

    def options(namespace: Namespace, _: str) -> ServerOptions:
        return ServerOptions(token=Secret("right") if namespace == TEAM else Secret("wrong"))

    servers = McpServers(lambda: named, options=options, on_fatal=unexpected, timings=SOON)
    await servers.start()
    try:
        assert await names(servers) == ["greet"]
        assert await servers.list(csi.Caller(namespace=OTHER)) == []
        (status,) = servers.status(OTHER)
        assert status.error == (
            "it answered 401 Unauthorized: the operator has to set a token for it, or another one"
        )
    finally:
        await servers.close()


async def test_a_removed_server_is_dropped_for_good(server: Server, open_servers: Open) -> None:
    """At once for callers, and its session soon after."""
    process = server(era="sessions")
    named = {TEAM: Tools((process.url,))}
    servers = await open_servers(enabled=named)
    assert await names(servers) == ["greet"]
    named[TEAM] = Tools()
    assert await names(servers) == []
    assert servers.status(TEAM) == ()
    await until(lambda: bool(process.asked("DELETE")))
    assert await names(servers) == []


async def test_a_named_server_is_connected_to_before_its_use(
    server: Server, open_servers: Open
) -> None:
    """As it is named at run time."""
    named: dict[Namespace, Tools] = {}
    servers = await open_servers(enabled=named)
    process = server()
    named[TEAM] = Tools((process.url,))
    await until(lambda: bool(process.asked("tools/list")))
    assert await names(servers) == ["greet"]


async def test_calls_of_a_removed_server_finish(server: Server, open_servers: Open) -> None:
    """The session ends after them."""
    process = server(tools=["hang"], era="sessions")
    named = {TEAM: Tools((process.url,))}
    servers = await open_servers(enabled=named, options=ServerOptions(connect=20, call=1))
    pending = asyncio.ensure_future(call(servers, "hang"))
    await until(lambda: bool(process.asked("tools/call")))
    named.clear()
    match await pending:
        case csi.ToolError(message):
            assert "no answer within 1 s" in message
        case other:
            pytest.fail(str(other))


async def test_a_server_that_hangs_holds_nobody_up_for_long(
    server: Server, open_servers: Open
) -> None:
    """The first listing waits for it a while, and no later one."""
    hanging = server(silent=True)
    timings = Timings(first=0.2, follow=0.02, retry=0.02)
    servers = await open_servers(
        hanging.url, server().url, options=ServerOptions(connect=2, call=2), timings=timings
    )
    await until(lambda: any(one.state == "ready" for one in servers.status(TEAM)))
    assert await names(servers) == ["greet"]
    assert servers.status(TEAM)[0].state == "connecting"
    assert servers.status(TEAM)[1].state == "ready"


async def test_nobody_has_servers_without_a_namespace(open_servers: Open) -> None:
    """Nor does a namespace that is not known."""
    servers = await open_servers(enabled={})
    assert await servers.list(csi.Caller()) == []
    assert await servers.list(CALLER) == []
    assert servers.status(TEAM) == ()


def test_the_client_is_loaded_where_a_server_is_named_only() -> None:
    """It takes 40 MB."""
    script = "import sys, daemon.csi.mcp.servers; assert 'mcp' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


async def test_the_end_of_following_is_told() -> None:
    """Servers that nobody names any more would be kept for ever."""
    told = list[BaseException]()

    def broken() -> dict[Namespace, Tools]:
        raise ValueError("broken")

    servers = McpServers(broken, on_fatal=told.append)
    await servers.start()
    await until(lambda: bool(told))
    await servers.close()

    assert [str(error) for error in told] == ["broken"]
