"""
A real MCP server, made with the official library and run as a process on a port of its own.

`python -m tests.mcp_server '{"tools": ["add"]}'` prints its URL, and what it is asked, one line of
JSON each, to the `log` file that it is given.
"""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Behaviour:
    """What the server is to do."""

    tools: list[str] = field(default_factory=lambda: ["greet"])
    name: str = "stub"
    page: int = 100
    era: str = "modern"  # or "sessions" or "stateless": as servers were before 2026
    version: str | None = None  # of the protocol, of those before 2026: the newest that it knows
    json: bool = False
    token: str | None = None
    redirect: str | None = None
    silent: bool = False  # takes requests, and never answers
    port: int = 0
    log: str = ""


class McpProcess:
    """The server as its tests see it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """What `namespace.toml` would name."""
        return f"http://127.0.0.1:{self.behaviour.port}/mcp"

    def start(self, **changes: Any) -> None:
        """Run until `kill`, on the same port as before, with *changes* of its behaviour."""
        self.behaviour = replace(self.behaviour, **changes)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mcp_server", json.dumps(asdict(self.behaviour))],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        self.behaviour = replace(self.behaviour, port=port)

    def kill(self) -> None:
        """As the kernel does it: no goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The messages and HTTP requests that it got so far."""
        lines = Path(self.behaviour.log).read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["method"] == method]


@contextmanager
def mcp_server(log: Path, **behaviour: Any) -> Iterator[McpProcess]:
    """A running server that logs to *log*."""
    log.touch()
    process = McpProcess(Behaviour(log=str(log), **behaviour))
    process.start()
    try:
        yield process
    finally:
        process.kill()


# The process ---------------------------------------------------------------------------------


def _tool(name: str) -> Any:
    import mcp_types as types

    schema = {"type": "object", "properties": {"who": {"type": "string"}}}
    described = None if name == "undescribed" else f"The tool {name}"
    output = {"type": "object", "required": ["x"]} if name == "structured" else None
    return types.Tool(name=name, description=described, input_schema=schema, output_schema=output)


def _contents(name: str, arguments: dict[str, Any], server: str) -> Any:
    import mcp_types as types

    data = base64.b64encode(b"12345").decode()
    text = types.TextContent(text=f"{server}: hello {arguments.get('who', 'you')}")
    match name:
        case "fail":
            return types.CallToolResult(content=[types.TextContent(text="broken")], is_error=True)
        case "structured":
            return types.CallToolResult(content=[], structured_content={"b": 1, "a": 2})
        case "image":
            image = types.ImageContent(data=data, mime_type="image/png")
            return types.CallToolResult(content=[text, image])
        case "large":
            return types.CallToolResult(content=[types.TextContent(text="x" * (20 << 20))])
        case _:
            return types.CallToolResult(content=[text])


def _server(behaviour: Behaviour, tools: list[str]) -> Any:
    import mcp_types as types
    from mcp.server.lowlevel import Server
    from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
    from mcp.shared.exceptions import MCPError

    bus = InMemorySubscriptionBus()

    async def list_tools(_: Any, params: Any) -> types.ListToolsResult:
        start = int(params.cursor or 0) if params else 0
        page = tools[start : start + behaviour.page]
        end = start + len(page)
        more = str(end) if end < len(tools) else None
        return types.ListToolsResult(tools=[_tool(name) for name in page], next_cursor=more)

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in tools:
            raise MCPError(types.INVALID_PARAMS, f"no tool {params.name}")
        if params.name == "hang":
            await asyncio.Event().wait()
        if params.name == "grow":
            tools.append("grown")
            await bus.publish(ToolsListChanged())
            await ctx.session.send_tool_list_changed()
        return _contents(params.name, params.arguments or {}, behaviour.name)

    return Server(
        behaviour.name,
        version="7",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_subscriptions_listen=ListenHandler(bus) if behaviour.era == "modern" else None,
    )


App = Callable[[Any, Any, Any], Awaitable[None]]


def _watched(app: App, behaviour: Behaviour) -> App:
    """*app*, with a log of what it is asked, and what only bad or old servers do."""

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        frame = json.loads(body) if body else {"method": scope["method"]}
        _write(behaviour.log, {"headers": headers, "params": {}, **frame})
        if behaviour.version and frame["method"] == "initialize":
            frame["params"]["protocolVersion"] = behaviour.version  # so that this is agreed on
            body = json.dumps(frame).encode()
        status = _refusal(behaviour, headers, frame)
        if status is None:
            await app(scope, _again(body, receive), send)
        else:
            await _refuse(send, status, behaviour)

    return watched


def _write(log: str, message: dict[str, Any]) -> None:
    with Path(log).open("a") as file:
        file.write(json.dumps(message) + "\n")


def _refusal(behaviour: Behaviour, headers: dict[str, str], frame: dict[str, Any]) -> int | None:
    if behaviour.token and headers.get("authorization") != f"Bearer {behaviour.token}":
        return 401
    if behaviour.redirect:
        return 307
    if behaviour.silent:
        return 0
    if behaviour.era != "modern" and frame.get("method") == "server/discover":
        return 400
    return None


async def _refuse(send: Any, status: int, behaviour: Behaviour) -> None:
    if not status:
        await asyncio.Event().wait()
    headers = [(b"location", behaviour.redirect.encode())] if behaviour.redirect else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"no"})


def _again(body: bytes, receive: Any) -> Any:
    """What *receive* gave, once more, then what follows."""
    first = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return first.pop() if first else await receive()

    return again


def _main(behaviour: Behaviour) -> None:
    import uvicorn

    server = _server(behaviour, list(behaviour.tools))
    app = server.streamable_http_app(
        json_response=behaviour.json, stateless_http=behaviour.era == "stateless"
    )
    config = uvicorn.Config(_watched(app, behaviour), log_level="error")
    listener = socket.create_server(("127.0.0.1", behaviour.port))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    os.nice(5)
    _main(Behaviour(**json.loads(sys.argv[1])))
