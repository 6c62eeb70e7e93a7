import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator

import pytest
from prometheus_client import CollectorRegistry

from daemon.api.ports import Options
from daemon.api.server import Server
from daemon.errors import ErrorKind
from daemon.skill import MessageAppend, StreamEvent
from tests.api.conftest import Serve
from tests.fakes_api import ScriptedSkills, services

JSON = {"Content-Type": "application/json"}
RUN = "/v1/skills/team/echo/run"


class Gate:
    """A Skill that answers once it is let."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, body: bytes) -> bytes:
        self.entered.set()
        await self.go.wait()
        return body


async def raw(host: str, port: int, request: bytes) -> bytes:
    """Send bytes, return all that comes back."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_listens_on_a_socket_it_is_given() -> None:
    """For socket activation, and for tests."""
    server = Server(services())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bound = await server.start(api=listener)
        answer = await raw(
            *bound.api, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        assert answer.endswith(b"\r\n\r\nok")
        assert bound.metrics is None
        await server.stop(grace=0)


async def test_an_address_in_use_leaves_nothing_behind() -> None:
    """The first listener is closed when the second one can't be opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        api = free.getsockname()
        free.close()
        server = Server(services(), metrics=CollectorRegistry())
        with pytest.raises(OSError, match="in use"):
            await server.start(api=api, metrics=taken.getsockname())
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection(*api)


@pytest.mark.parametrize(
    "broken",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_problem(serve: Serve, broken: bytes) -> None:
    """400 as a document, and the connection is closed."""
    running = await serve()

    answer = await raw(running.host, running.port, broken)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"application/problem+json" in head
    assert b"Server: skilld\r\n" in head
    problem = json.loads(body)
    assert problem["code"] == ErrorKind.MALFORMED_REQUEST
    assert re.fullmatch(r"The request is not valid HTTP: [\w ]+\.", problem["detail"])


async def test_a_head_that_comes_too_slowly_ends_its_connection(serve: Serve) -> None:
    """As an idle one does: a connection holds a file, and there are only so many."""
    running = await serve(options=Options(keep_alive=0.05))

    assert await raw(running.host, running.port, b"GET /health HTTP/1.1\r\nHost: a\r\nX: ") == b""


async def test_a_client_that_does_not_read_its_answer_is_given_up(serve: Serve) -> None:
    """Else it could keep a stream and its Skill, or megabytes of an answer, for ever."""
    skills = ScriptedSkills(streams={"team/talk": _talk})
    running = await serve(skills=skills, options=Options(stalled=0.05))
    client = socket.create_connection((running.host, running.port))
    client.sendall(
        b"POST /v1/skills/team/talk/message-stream HTTP/1.1\r\nHost: a\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1\r\n\r\n1"
    )

    await asyncio.wait_for(skills.closed.wait(), 20)

    client.close()


async def _talk(_: bytes) -> AsyncGenerator[StreamEvent, None]:
    while True:
        yield MessageAppend("x" * 65_536)


async def test_stopping_lets_requests_finish(serve: Serve) -> None:
    """New connections are refused meanwhile, and the answer closes its connection."""
    gate = Gate()
    running = await serve(skills=ScriptedSkills({"team/echo": gate}))
    call = asyncio.ensure_future(running.http.post(RUN, data=b"1", headers=JSON))
    await gate.entered.wait()

    stop = asyncio.ensure_future(running.server.stop(grace=30))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection(running.host, running.port)
    gate.go.set()

    async with await call as answer:
        assert await answer.read() == b"1"
        assert answer.headers["Connection"] == "close"
    await stop


async def test_requests_that_outlive_the_grace_are_told(serve: Serve) -> None:
    """503 with a time to try again; the call is cancelled."""
    gate = Gate()
    skills = ScriptedSkills({"team/echo": gate})
    running = await serve(skills=skills)
    call = asyncio.ensure_future(running.http.post(RUN, data=b"1", headers=JSON))
    await gate.entered.wait()

    await running.server.stop(grace=0.01)

    async with await call as answer:
        assert answer.status == 503
        assert (await answer.json(content_type=None))["code"] == "shutting-down"
    assert skills.cancelled.is_set()


async def test_hurrying_ends_the_grace(serve: Serve) -> None:
    """The second signal does not wait for the first one's deadline."""
    gate = Gate()
    running = await serve(skills=ScriptedSkills({"team/echo": gate}))
    call = asyncio.ensure_future(running.http.post(RUN, data=b"1", headers=JSON))
    await gate.entered.wait()
    stop = asyncio.ensure_future(running.server.stop(grace=3600))
    await asyncio.sleep(0)

    running.server.hurry()

    await asyncio.wait_for(stop, 10)
    async with await call as answer:
        assert answer.status == 503


async def test_idle_connections_do_not_hold_up_a_stop(serve: Serve) -> None:
    """Keep-alive is not work."""
    running = await serve()
    async with running.http.get("/health"):
        pass

    await asyncio.wait_for(running.server.stop(grace=3600), 10)


async def test_unready_fails_the_probe_and_goes_on_serving(serve: Serve) -> None:
    """For load balancers that need time to notice."""
    running = await serve()

    running.server.unready()

    async with running.http.get("/readyz") as answer:
        assert answer.status == 503
    async with running.http.get("/health") as answer:
        assert answer.status == 200
