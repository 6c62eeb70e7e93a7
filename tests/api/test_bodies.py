import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from daemon.api.ports import Options
from daemon.errors import ErrorKind
from tests.api.conftest import Serve
from tests.fakes_api import ScriptedSkills, TokenList

HEAD = (
    "POST /v1/skills/team/echo/run HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    "Connection: close\r\nAuthorization: Bearer good\r\n"
)
SIZE = 128 << 10
BODY = "1".ljust(SIZE)
TIGHT = Options(body_memory=100 << 10)
"""Room for one body of SIZE (whose first 64 KiB are free), not for two."""


class Echo:
    """A Skill that waits until it is let, and says when it is there."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.go = asyncio.Event()

    async def __call__(self, body: bytes) -> bytes:
        self.entered.release()
        await self.go.wait()
        return body


class Client:
    """A connection that sends what it is told, when it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer, by its length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        length = next(
            (line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")), b": 0"
        )
        return status, head, await self.reader.readexactly(int(length.partition(b":")[2]))

    async def problem(self) -> tuple[int, str]:
        """Status and code of a problem document."""
        status, head, body = await self.answer()
        assert b"application/problem+json" in head
        return status, json.loads(body)["code"]


Connect = Callable[[], Awaitable[Client]]
Start = Callable[[Options], Awaitable[Connect]]


@pytest.fixture
def echo() -> Echo:
    """The Skill that `start` serves."""
    return Echo()


@pytest.fixture
async def start(serve: Serve, echo: Echo) -> AsyncIterator[Start]:
    """Start a server; connect to it as often as wanted."""
    clients: list[Client] = []

    async def started(options: Options) -> Connect:
        skills = ScriptedSkills({"team/echo": echo})
        running = await serve(skills=skills, options=options, authorizer=TokenList("good"))

        async def connect() -> Client:
            clients.append(Client(*await asyncio.open_connection(running.host, running.port)))
            return clients[-1]

        return connect

    yield started
    for client in clients:
        client.writer.close()


async def taken(client: Client, echo: Echo) -> None:
    """Let *client* send a body that takes most of the budget."""
    await client.send(f"{HEAD}Content-Length: {SIZE}\r\n\r\n{BODY}")
    await echo.entered.acquire()


async def test_bodies_together_have_a_budget(start: Start, echo: Echo) -> None:
    """A body counts as long as its call; beyond the budget others hear when to try again."""
    connect = await start(TIGHT)
    first, second, third = await connect(), await connect(), await connect()
    await taken(first, echo)

    await second.send(f"{HEAD}Content-Length: {SIZE}\r\n\r\n")
    status, head, body = await second.answer()
    assert (status, json.loads(body)["code"]) == (503, ErrorKind.OVERLOADED)
    assert b"Retry-After: 1" in head
    assert b"Connection: close" in head

    echo.go.set()
    assert (await first.answer())[0] == 200
    await taken(third, echo)
    assert (await third.answer())[0] == 200


async def test_small_bodies_go_on_where_big_ones_took_the_budget(start: Start, echo: Echo) -> None:
    """A few big uploads must not shut out everybody."""
    connect = await start(TIGHT)
    small = await connect()
    await taken(await connect(), echo)

    await small.send(f"{HEAD}Content-Length: 1\r\n\r\n7")
    await echo.entered.acquire()

    echo.go.set()
    assert (await small.answer())[2] == b"7"


async def test_a_body_that_can_never_fit_is_too_large(start: Start) -> None:
    """To say "try again" would be a lie."""
    connect = await start(TIGHT)
    client = await connect()

    await client.send(f"{HEAD}Content-Length: {SIZE * 2}\r\n\r\n")

    assert await client.problem() == (413, ErrorKind.PAYLOAD_TOO_LARGE)


async def test_a_body_without_a_size_is_counted_as_it_comes(start: Start, echo: Echo) -> None:
    """Chunked ones do not say how large they will be."""
    connect = await start(TIGHT)
    await taken(await connect(), echo)
    client = await connect()

    await client.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{SIZE:x}\r\n{BODY}")

    assert await client.problem() == (503, ErrorKind.OVERLOADED)


async def test_a_compressed_body_counts_with_its_real_size(start: Start, echo: Echo) -> None:
    """It is small on the wire only."""
    connect = await start(TIGHT)
    await taken(await connect(), echo)
    body = gzip.compress(BODY.encode())
    client = await connect()

    await client.send(f"{HEAD}Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n")
    await client.send(body)

    assert await client.problem() == (503, ErrorKind.OVERLOADED)


async def test_a_body_refused_midway_gives_its_memory_back(start: Start, echo: Echo) -> None:
    """Else each refusal would lower the budget for good."""
    connect = await start(TIGHT)
    first = await connect()
    await taken(first, echo)
    for _ in range(3):
        client = await connect()
        await client.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{SIZE:x}\r\n{BODY}")
        assert (await client.problem())[0] == 503

    echo.go.set()
    assert (await first.answer())[0] == 200
    fitting = await connect()
    await taken(fitting, echo)

    assert (await fitting.answer())[0] == 200


async def test_a_body_that_stops_coming_times_out(start: Start) -> None:
    """408, and the connection is given up."""
    connect = await start(Options(body_silence=0.05))
    client = await connect()

    await client.send(f'{HEAD}Content-Length: 9\r\n\r\n"x')
    status, head, body = await client.answer()

    assert (status, json.loads(body)["code"]) == (408, ErrorKind.REQUEST_TIMEOUT)
    assert "Nothing came for 0.05 s" in json.loads(body)["detail"]
    assert b"Connection: close" in head


async def test_a_body_that_comes_too_slowly_times_out(start: Start) -> None:
    """A byte now and then is progress, but not for ever."""
    connect = await start(Options(body_silence=60, body_time=0.05))
    client = await connect()

    await client.send(f"{HEAD}Content-Length: 9\r\n\r\n1")
    status, _, body = await client.answer()

    assert status == 408
    assert "longer than 0.05 s" in json.loads(body)["detail"]


async def test_a_body_that_breaks_http_is_the_callers_mistake(start: Start) -> None:
    """Also where the head was fine: no error of ours."""
    connect = await start(Options())
    client = await connect()
    await client.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n")

    await client.send("no size\r\n")

    assert await client.problem() == (400, ErrorKind.MALFORMED_REQUEST)


async def test_a_client_that_asks_first_is_told_to_go_on(start: Start, echo: Echo) -> None:
    """By 100, once."""
    connect = await start(Options())
    echo.go.set()
    client = await connect()
    await client.send(f"{HEAD}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert (await client.answer())[0] == 100

    await client.send("7")

    assert (await client.answer())[2] == b"7"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: 999999999", 413),
        ("Content-Length: 5\r\nContent-Type: text/plain", 415),
        ("Content-Length: 5\r\nAuthorization: Bearer wrong", 403),
    ],
)
async def test_a_client_that_asks_first_is_spared_a_refused_body(
    start: Start, header: str, status: int
) -> None:
    """The refusal is the first thing it hears."""
    connect = await start(Options())
    client = await connect()
    given = {line.partition(":")[0] for line in header.split("\r\n")}
    usual = [line for line in HEAD.split("\r\n") if line.partition(":")[0] not in given]

    await client.send("\r\n".join(usual) + f"Expect: 100-continue\r\n{header}\r\n\r\n")

    assert (await client.problem())[0] == status
