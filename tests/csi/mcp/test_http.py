"""What a request of a session gets from servers that are not well."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from daemon.csi.mcp.http import SESSION_LOST, SessionTransport
from daemon.csi.mcp.status import ServerOptions
from daemon.secret import Secret

OPTIONS = ServerOptions(connect=0.2, call=0.2)
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler)`: the URL at which *handler* answers everything."""
    servers: list[TestServer] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/mcp", handler)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/mcp"))

    yield start
    for server in servers:
        await server.close()


async def send(
    url: str, *, options: ServerOptions = OPTIONS, largest: int = 1000, **request: Any
) -> httpx2.Response:
    """Send one request through a transport of its own."""
    transport = SessionTransport(options, largest=largest)
    async with httpx2.AsyncClient(transport=transport) as client:
        return await client.post(url, **{"json": CALL, **request})


def error(response: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC error that it is."""
    assert response.status_code >= 400
    found = response.json()["error"]
    assert isinstance(found, dict)
    return found


def answers(status: int, **answer: Any) -> Handler:
    """Always the same."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, **answer)

    return handle


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "it answered 401 Unauthorized: the operator has to set a token for it, or another"),
        (403, "it answered 403 Forbidden"),
        (500, "it answered 500 Internal Server Error"),
        (599, "it answered 599"),
    ],
)
async def test_statuses_are_told(serve: Serve, status: int, words: str) -> None:
    """The official client would say that there was an error."""
    url = await serve(answers(status, text="<html>"))
    assert error(await send(url))["message"].startswith(words)


async def test_explanations_are_kept(serve: Serve) -> None:
    """A JSON-RPC error reads as the server wrote it."""
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no such method"}}
    url = await serve(answers(404, body=httpx2.Response(200, json=body).content))
    assert error(await send(url)) == body["error"]


@pytest.mark.parametrize("text", ["", "[]", '{"error": "invalid"}', "\xff", "{" * 100_000])
async def test_what_explains_nothing_is_replaced(serve: Serve, text: str) -> None:
    """However long or odd."""
    url = await serve(answers(400, body=text.encode("latin-1"), content_type="application/json"))
    assert error(await send(url))["message"] == "it answered 400 Bad Request"


async def test_a_lost_session_has_a_code_of_its_own(serve: Serve) -> None:
    """But a server without sessions may lack a method."""
    url = await serve(answers(404, text="no"))
    assert error(await send(url, headers={"mcp-session-id": "1"}))["code"] == SESSION_LOST
    assert error(await send(url))["code"] != SESSION_LOST


async def test_a_broken_connection_is_an_answer(serve: Serve) -> None:
    """So it ends one request, not the session."""

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert "the connection broke" in error(await send(await serve(hang_up)))["message"]
    refused = error(await send("http://127.0.0.1:1/mcp"))["message"]
    assert refused.startswith("it could not be connected to")


async def test_nobody_waits_for_ever(serve: Serve) -> None:
    """Least of all for the receipt of a notification."""
    released = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    url = await serve(hang)
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    assert error(await send(url, json=message))["message"] == "it did not answer in time"
    released.set()


async def test_large_answers_are_cut_off(serve: Serve) -> None:
    """As a failure of the body, which the official client takes for one of the request."""
    url = await serve(answers(200, body=b"x" * 1001, content_type="application/json"))
    with pytest.raises(httpx2.StreamError, match="larger than 1000 bytes"):
        await send(url)
    response = await send(url, largest=1001)
    assert len(response.content) == 1001


async def test_answers_that_break_off_fail_alone(serve: Serve) -> None:
    """As a failure of the body, too."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        response.content_length = 10
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(httpx2.StreamError, match="the connection broke"):
        await send(await serve(half))


async def test_events_may_be_many(serve: Serve) -> None:
    """Each is bounded where they are read."""
    url = await serve(answers(200, body=b"x" * 5000, content_type="text/event-stream"))
    assert len((await send(url)).content) == 5000


async def test_the_token_is_sent(serve: Serve) -> None:
    """To the server that it is for."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("authorization", "none"))

    url = await serve(echo)
    assert (await send(url)).text == "none"
    options = ServerOptions(token=Secret("open sesame"))
    assert (await send(url, options=options)).text == "Bearer open sesame"


async def test_an_unreadable_token_is_told(serve: Serve, tmp_path: Any) -> None:
    """With the file that it should be in."""
    url = await serve(answers(200))
    options = ServerOptions(token=Secret(file=tmp_path / "gone"))
    assert "gone can't be read" in error(await send(url, options=options))["message"]


async def test_goodbyes_always_succeed(serve: Serve) -> None:
    """The session is over in any case."""
    transport = SessionTransport(OPTIONS)
    async with httpx2.AsyncClient(transport=transport) as client:
        for url in (await serve(answers(404)), "http://127.0.0.1:1/mcp"):
            assert (await client.delete(url)).status_code == 204


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_compressed_answer_is_refused(serve: Serve, method: str, content_type: str) -> None:
    """Nobody asked for it, and a thousand bytes of it may unpack to a million."""
    asked: list[str | None] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Accept-Encoding"))
        headers = {"Content-Encoding": "gzip", "Content-Type": content_type}
        return web.Response(body=gzip.compress(b" " * 1_000_000), headers=headers)

    url = await serve(handle)
    async with httpx2.AsyncClient(transport=SessionTransport(OPTIONS)) as client:
        response = await client.request(method, url, json=CALL)

    assert error(response)["message"] == "its answer is compressed, which it was asked not to do"
    assert asked == ["identity"]
