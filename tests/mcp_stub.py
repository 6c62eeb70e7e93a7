"""
MCP servers that the official library can't play: written by hand, as the older protocols allow.

They answer in plain JSON or events, with or without sessions, know no method that they do not need
to, and refuse what is optional: the stream of a GET, the goodbye of a DELETE.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from aiohttp.test_utils import TestServer

Probe = Literal["error", "bad-request", "no-session", "not-found", "failure", "accepted"]

_PROBED: dict[Probe, tuple[int, Any]] = {
    "error": (200, {"code": -32601, "message": "Method not found"}),
    "bad-request": (400, "Bad Request: Server not initialized"),
    "no-session": (400, {"code": -32000, "message": "Bad Request: No valid session ID"}),
    "not-found": (404, "404 page not found"),
    "failure": (500, "Internal Server Error"),
    "accepted": (202, ""),
}


@dataclass(kw_only=True)
class OldServer:
    """
    Owned by the test that serves it.

    `probe` is what becomes of `server/discover`, a method that is newer than the server.
    `sessions` are those given out so far; clearing `known` forgets them. `results` are JSON texts
    that stand in for the true results of methods.
    """

    version: str = "2025-03-26"
    sessions: bool = True
    events: bool = False
    probe: Probe = "error"
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)
    given: int = 0
    url: str = ""

    def asked(self, method: str) -> list[dict[str, str]]:
        """The headers of each request of *method*."""
        return [headers for name, headers in self.seen if name == method]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer any request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method != "POST":
            self.seen.append((request.method, headers))
            return web.Response(status=405)
        message = await request.json()
        self.seen.append((message["method"], headers))
        if message["method"] == "server/discover":
            return self._probed(message)
        if message["method"] == "initialize":
            return self._welcome(message)
        if self.sessions and headers.get("mcp-session-id") not in self.known:
            return web.Response(status=404, text="Session not found")
        if "id" not in message:
            return web.Response(status=202)
        return self._answer(message, result=_result(message))

    def _probed(self, message: Any) -> web.Response:
        status, said = _PROBED[self.probe]
        if isinstance(said, str):
            return web.Response(status=status, text=said)
        body = {"jsonrpc": "2.0", "id": message["id"] if status == 200 else None, "error": said}
        return web.json_response(body, status=status)

    def _welcome(self, message: Any) -> web.Response:
        result = {
            "protocolVersion": self.version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "old", "version": "1"},
        }
        response = self._answer(message, result=result)
        if self.sessions:
            self.given += 1
            self.known.add(f"session-{self.given}")
            response.headers["Mcp-Session-Id"] = f"session-{self.given}"
        return response

    def _answer(self, message: Any, *, result: Any) -> web.Response:
        told = self.results.get(message["method"]) or json.dumps(result)
        text = f'{{"jsonrpc": "2.0", "id": {json.dumps(message["id"])}, "result": {told}}}'
        if not self.events:
            return web.Response(text=text, content_type="application/json", charset="utf-8")
        notice = json.dumps({"jsonrpc": "2.0", "method": "notifications/message",
                             "params": {"level": "info", "data": "on my way"}})  # fmt: skip
        frames = f": hello\n\nevent: message\ndata: {notice}\n\nid: 7\ndata: {text}\n\n"
        return web.Response(text=frames, content_type="text/event-stream")


def _result(message: Any) -> Any:
    """Two pages of tools without descriptions; an answer that leaves out `isError`."""
    params = message.get("params") or {}
    if message["method"] == "tools/list":
        second = params.get("cursor") == "2"
        page = {"tools": [{"name": "b" if second else "a", "inputSchema": {"type": "object"}}]}
        return page if second else page | {"nextCursor": "2"}
    return {"content": [{"type": "text", "text": f"{params['name']} did it"}]}


@asynccontextmanager
async def serving(server: OldServer) -> AsyncIterator[OldServer]:
    """Listen on a port of its own."""
    app = web.Application()
    app.router.add_route("*", "/mcp", server.handle)
    async with TestServer(app) as listening:
        server.url = str(listening.make_url("/mcp"))
        yield server
