"""Sessions that last, against real servers of several eras that die and come back."""

import asyncio
from json import dumps
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings

from daemon.csi import interface as csi
from daemon.csi.mcp.connection import Connection
from daemon.csi.mcp.status import ServerOptions, ServerStatus, Timings
from daemon.secret import Secret
from tests.csi.mcp.conftest import CALLER, TEAM, Open, Server, call, names
from tests.lies import fits, lies
from tests.mcp_stub import OldServer, Probe, serving
from tests.waiting import until

TOOL = {"name": "a", "description": "d", "inputSchema": {"type": "object", "properties": {}}}
RESULT = {
    "content": [
        {"type": "text", "text": "a"},
        {"type": "image", "data": "", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
    ],
    "structuredContent": {"a": 1},
    "isError": False,
}
ERAS = ["modern", "sessions", "stateless"]


def failed(result: csi.ToolResult | None) -> str:
    """The reason of a failure."""
    assert isinstance(result, csi.ToolError), result
    return result.message


@pytest.mark.parametrize("json", [False, True], ids=["events", "json"])
@pytest.mark.parametrize("era", ERAS)
async def test_servers_of_all_eras_answer(
    server: Server, open_servers: Open, era: str, json: bool
) -> None:
    """With or without sessions, as events or as JSON; one handshake serves all calls."""
    process = server(tools=["greet", "fail", "image"], era=era, json=json)
    servers = await open_servers(process.url)
    for who in ("Ada", "Bob"):
        assert await call(servers, "greet", who=who) == csi.ToolOutput([f"stub: hello {who}"])
    assert failed(await call(servers, "fail")) == "broken"
    assert await call(servers, "image") == csi.ToolOutput(
        ["stub: hello you", "[image: image/png, 5 bytes]"]
    )
    assert len(process.asked("tools/list")) == 1
    assert len(process.asked("initialize")) == (era != "modern")
    (status,) = servers.status(TEAM)
    assert status == ServerStatus(
        url=process.url,
        state="ready",
        tools=("fail", "greet", "image"),
        protocol_version="2026-07-28" if era == "modern" else "2025-11-25",
        server="stub 7",
    )


@pytest.mark.parametrize("json", [False, True], ids=["events", "json"])
@pytest.mark.parametrize("era", ["sessions", "stateless"])
@pytest.mark.parametrize("version", ["2025-06-18", "2025-03-26", "2024-11-05"])
async def test_older_versions_are_agreed_on(
    server: Server, open_servers: Open, version: str, era: str, json: bool
) -> None:
    """And named in each request from then on, as the protocol asks since 2025-06-18."""
    process = server(tools=["greet", "grow"], page=1, era=era, json=json, version=version)
    servers = await open_servers(process.url)
    assert await names(servers) == ["greet", "grow"]
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])
    assert servers.status(TEAM)[0].protocol_version == version
    (asked,) = process.asked("tools/call")
    assert asked["headers"]["mcp-protocol-version"] == version
    if era == "sessions":
        await until(lambda: bool(process.asked("GET")))
        await call(servers, "grow")
        await until(lambda: servers.status(TEAM)[0].tools == ("greet", "grow", "grown"))


@pytest.mark.parametrize("events", [True, False], ids=["events", "json"])
@pytest.mark.parametrize("sessions", [True, False], ids=["sessions", "stateless"])
@pytest.mark.parametrize("version", ["2025-06-18", "2025-03-26", "2024-11-05"])
async def test_old_servers_may_do_as_little_as_they_must(
    open_servers: Open, version: str, sessions: bool, events: bool
) -> None:
    """No GET, no DELETE, no descriptions, no `isError`; pages, and events beside the answer."""
    async with serving(OldServer(version=version, sessions=sessions, events=events)) as old:
        servers = await open_servers(old.url)
        assert await names(servers) == ["a", "b"]
        assert await call(servers, "b") == csi.ToolOutput(["b did it"])
        assert servers.status(TEAM)[0].protocol_version == version
        assert len(old.asked("initialize")) == 1
        (headers,) = old.asked("tools/call")
        assert headers.get("mcp-session-id") == ("session-1" if sessions else None)
        assert headers["mcp-protocol-version"] == version


@pytest.mark.parametrize("probe", get_args(Probe))
async def test_servers_need_not_know_the_newest_protocol(open_servers: Open, probe: Probe) -> None:
    """However they refuse to speak it."""
    async with serving(OldServer(probe=probe)) as old:
        servers = await open_servers(old.url)
        assert await names(servers) == ["a", "b"]
        assert await call(servers, "a") == csi.ToolOutput(["a did it"])


async def test_a_session_that_old_servers_forget_is_made_anew(open_servers: Open) -> None:
    """Calls that find it gone are made again, once."""
    async with serving(OldServer()) as old:
        servers = await open_servers(old.url)
        await names(servers)
        old.known.clear()
        answers = await asyncio.gather(*(call(servers, "a") for _ in range(5)))
        assert answers == [csi.ToolOutput(["a did it"])] * 5
        assert old.known == {"session-2"}


async def test_a_version_that_nobody_knows_is_refused(open_servers: Open) -> None:
    """In words that name it."""
    async with serving(OldServer(version="1999-01-01")) as old:
        servers = await open_servers(old.url)
        assert await names(servers) == []
        assert "1999-01-01" in (servers.status(TEAM)[0].error or "")


class BrokenSecret(Secret):
    """A mistake of ours."""

    def reveal(self) -> str:
        """See `Secret`."""
        raise RuntimeError("no such thing")


async def test_a_mistake_of_ours_is_not_taken_for_one_of_the_servers() -> None:
    """It ends the task, which is logged with its trace."""
    options = ServerOptions(token=BrokenSecret("secret"))
    connection = Connection("http://127.0.0.1:1/mcp", options=options, timings=Timings())
    with pytest.raises(ExceptionGroup) as caught:
        await connection.run()
    assert caught.group_contains(RuntimeError, match="no such thing")


async def test_long_listings_come_in_pages(server: Server, open_servers: Open) -> None:
    """All of them count."""
    tools = [f"tool-{number}" for number in range(7)]
    process = server(tools=tools, page=3)
    servers = await open_servers(process.url)
    assert await names(servers) == tools
    assert len(process.asked("tools/list")) == 3


async def test_a_listing_without_end_is_refused(server: Server, open_servers: Open) -> None:
    """It would fill the memory."""
    servers = await open_servers(server(tools=[f"t{n}" for n in range(101)], page=1).url)
    assert await names(servers) == []
    assert servers.status(TEAM)[0].error == "it lists its tools on more than 100 pages"


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        ({"tools": [TOOL | {"name": f"t{n}"} for n in range(1001)]}, "more than 1000 tools"),
        ({"tools": [TOOL | {"description": "x" * 4_000_001}]}, "more than 4000000 characters"),
        ({"tools": [TOOL | {"description": "x" * (5 << 20)}]}, "larger than 4194304 bytes"),
        ({"tools": [TOOL | {"inputSchema": {"type": 1}}]}, "none of the protocol"),
        ({"tools": [TOOL | {"name": "\ud800"}]}, "Failed to parse JSON"),
        ({"tools": [], "nextCursor": 1}, "none of the protocol"),
    ],
)
async def test_a_listing_beyond_reason_is_refused(
    open_servers: Open, listing: Any, reason: str
) -> None:
    """In one line; it would stop the daemon while it is read, and swamp models."""
    async with serving(OldServer(results={"tools/list": dumps(listing)})) as old:
        servers = await open_servers(old.url)
        assert await names(servers) == []
        told = servers.status(TEAM)[0].error or ""
        assert reason in told
        assert len(told) <= 300
        assert "\n" not in told


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(listing=lies({"tools": [TOOL], "nextCursor": None}), result=lies(RESULT))
async def test_servers_that_lie_cost_their_own_tools_only(
    open_servers: Open, listing: bytes, result: bytes
) -> None:
    """Whatever stands in any place of their answers."""
    async with serving(OldServer(results={"tools/list": listing.decode()})) as old:
        servers = await open_servers(old.url)
        fits(await servers.list(CALLER), list[csi.Tool])
        assert servers.status(TEAM)[0].state != "connecting"
        await servers.close()
    async with serving(OldServer(results={"tools/call": result.decode()})) as old:
        servers = await open_servers(old.url)
        fits(await call(servers, "a"), csi.ToolResult)
        assert servers.status(TEAM)[0].state == "ready"
        await servers.close()


@pytest.mark.parametrize("era", ["modern", "sessions"])
async def test_a_changed_listing_is_heard_of(server: Server, open_servers: Open, era: str) -> None:
    """Long before it would be asked for again."""
    process = server(tools=["grow"], era=era)
    servers = await open_servers(process.url)
    assert await names(servers) == ["grow"]
    listening = "GET" if era == "sessions" else "subscriptions/listen"
    await until(lambda: bool(process.asked(listening)))
    await call(servers, "grow")
    await until(lambda: servers.status(TEAM)[0].tools == ("grow", "grown"))


async def test_the_listing_is_refreshed(server: Server, open_servers: Open) -> None:
    """From servers that tell of no change."""
    process = server(tools=["grow"], era="stateless")
    servers = await open_servers(process.url, timings=Timings(refresh=0.05))
    await call(servers, "grow")
    await until(lambda: servers.status(TEAM)[0].tools == ("grow", "grown"))


@pytest.mark.parametrize("era", ERAS)
async def test_a_restarted_server_is_no_failure(
    server: Server, open_servers: Open, era: str
) -> None:
    """A call finds the session forgotten, and is made again in a new one."""
    process = server(era=era)
    servers = await open_servers(process.url)
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])
    process.kill()
    process.start(name="again")
    assert await call(servers, "greet") == csi.ToolOutput(["again: hello you"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_dead_server_keeps_its_listing_and_comes_back(
    server: Server, open_servers: Open, era: str
) -> None:
    """Its tools say what is the matter meanwhile."""
    process = server(era=era)
    servers = await open_servers(process.url)
    await names(servers)
    process.kill()
    assert f"MCP server {process.url}: it could not be connected to" in failed(
        await call(servers, "greet")
    )
    await until(lambda: servers.status(TEAM)[0].state == "unreachable")
    assert await names(servers) == ["greet"]
    process.start(name="again", tools=["greet", "new"])
    await until(lambda: servers.status(TEAM)[0].state == "ready")
    assert await names(servers) == ["greet", "new"]
    assert await call(servers, "greet") == csi.ToolOutput(["again: hello you"])


@pytest.mark.parametrize("json", [False, True], ids=["events", "json"])
async def test_a_server_that_dies_during_a_call(
    server: Server, open_servers: Open, json: bool
) -> None:
    """The call fails at once, with a reason; it is not repeated, as it may have had its effect."""
    process = server(tools=["hang"], json=json)
    servers = await open_servers(process.url)
    pending = asyncio.ensure_future(call(servers, "hang"))
    await until(lambda: bool(process.asked("tools/call")))
    process.kill()
    assert "could not be executed" in failed(await pending)
    assert len(process.asked("tools/call")) == 1


async def test_calls_wait_no_longer_than_they_may(server: Server, open_servers: Open) -> None:
    """The server is told to stop, and goes on answering others."""
    process = server(tools=["hang", "greet"], era="sessions")
    servers = await open_servers(process.url, options=ServerOptions(connect=20, call=0.3))
    assert failed(await call(servers, "hang")) == (
        f"The tool call could not be executed: MCP server {process.url}: no answer within 0.3 s"
    )
    await until(lambda: bool(process.asked("notifications/cancelled")))
    assert len(process.asked("initialize")) == 1


@pytest.mark.parametrize("era", ["sessions", "stateless"])
async def test_a_cancelled_call_is_cancelled_at_the_server(
    server: Server, open_servers: Open, era: str
) -> None:
    """As happens when the guest's deadline passes."""
    process = server(tools=["hang", "greet"], era=era)
    servers = await open_servers(process.url)
    pending = asyncio.ensure_future(call(servers, "hang"))
    await until(lambda: bool(process.asked("tools/call")))
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    await until(lambda: bool(process.asked("notifications/cancelled")))
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])


async def test_calls_run_at_the_same_time(server: Server, open_servers: Open) -> None:
    """One that hangs stops no other."""
    process = server(tools=["hang", "greet"])
    servers = await open_servers(process.url)
    hanging = [asyncio.ensure_future(call(servers, "hang")) for _ in range(20)]
    await until(lambda: len(process.asked("tools/call")) == 20)
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])
    for one in hanging:
        one.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_silent_server_is_given_up(server: Server, open_servers: Open) -> None:
    """It is tried again, and taken as soon as it speaks."""
    process = server(silent=True)
    servers = await open_servers(process.url, options=ServerOptions(connect=0.3, call=0.3))
    assert await names(servers) == []
    assert servers.status(TEAM)[0].error == "no answer in time"
    process.kill()
    process.start(silent=False)
    await until(lambda: servers.status(TEAM)[0].state == "ready")


async def test_a_token_is_sent_and_read_anew(
    server: Server, open_servers: Open, tmp_path: Path
) -> None:
    """From its file, so a rotated one counts at once."""
    file = tmp_path / "token"
    file.write_text("old")
    process = server(token="old", era="sessions")
    options = ServerOptions(token=Secret(file=file))
    servers = await open_servers(process.url, options=options)
    assert await names(servers) == ["greet"]
    file.write_text("new")
    assert "it answered 401 Unauthorized" in failed(await call(servers, "greet"))
    process.kill()
    process.start(token="new")
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])


async def test_a_token_goes_to_no_other_server(server: Server, open_servers: Open) -> None:
    """Not even where the server sends us there."""
    other = server()
    process = server(redirect=other.url)
    servers = await open_servers(process.url, options=ServerOptions(token=Secret("secret")))
    assert await names(servers) == []
    assert "not followed" in (servers.status(TEAM)[0].error or "")
    assert not other.asked("server/discover")
    assert not other.asked("initialize")


async def test_refusals_of_a_server_are_readable(server: Server, open_servers: Open) -> None:
    """A JSON-RPC error reads as the server wrote it; here the tool went after it was listed."""
    process = server(tools=["greet"], era="sessions")
    servers = await open_servers(process.url)
    await names(servers)
    process.kill()
    process.start(tools=["other"])
    assert failed(await call(servers, "greet")).endswith(": no tool greet (code -32602)")


async def test_answers_without_limit_are_cut_off(server: Server, open_servers: Open) -> None:
    """The daemon's memory is not theirs."""
    servers = await open_servers(server(tools=["large", "greet"], json=True).url)
    assert "larger than" in failed(await call(servers, "large"))
    assert await call(servers, "greet") == csi.ToolOutput(["stub: hello you"])


async def test_an_argument_that_is_no_json_is_an_error(server: Server, open_servers: Open) -> None:
    """The guest wrote it by hand."""
    servers = await open_servers(server().url)
    invocation = csi.ToolInvocation("greet", [csi.ToolArgument("who", b"{")])
    assert "the argument 'who' is not JSON" in failed(await servers.invoke(invocation, CALLER))


async def test_traces_go_on_at_the_server(server: Server, open_servers: Open) -> None:
    """In the message's metadata, as the protocol has it."""
    process = server()
    servers = await open_servers(process.url)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    caller = csi.Caller(namespace=TEAM, trace=(("traceparent", parent),))
    await servers.invoke(csi.ToolInvocation("greet"), caller)
    (asked,) = process.asked("tools/call")
    assert asked["params"]["_meta"]["traceparent"] == parent


async def test_output_schemas_are_not_enforced(server: Server, open_servers: Open) -> None:
    """Skills never see them; the answer counts."""
    servers = await open_servers(server(tools=["structured"]).url)
    assert await call(servers, "structured") == csi.ToolOutput(['{"a":2,"b":1}'])
