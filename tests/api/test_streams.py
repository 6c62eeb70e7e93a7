import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from daemon.api.ports import Options
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, StreamEvent, ToolBegin
from tests.api.conftest import Running, Serve
from tests.fakes_api import ScriptedSkills

JSON = {"Content-Type": "application/json"}
STREAM = "/v1/skills/team/talk/message-stream"
Script = Callable[[bytes], AsyncGenerator[StreamEvent, None]]


def saying(*items: StreamEvent | BaseException) -> Script:
    """A Skill that says *items*; it raises those that are errors."""

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item

    return script


def talking(script: Script) -> ScriptedSkills:
    """The one Skill `team/talk`."""
    return ScriptedSkills(streams={"team/talk": script})


async def connect(running: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the stream over a bare socket."""
    reader, writer = await asyncio.open_connection(running.host, running.port, limit=1 << 12)
    writer.write(
        f"POST {STREAM} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 1\r\n\r\n1".encode()
    )
    return reader, writer


async def test_events_have_exactly_the_bytes_of_the_contract(serve: Serve) -> None:
    """Name, compact data, blank line; the head forbids caching."""
    script = saying(MessageBegin(), MessageAppend("a\nb"), MessageEnd(b'{"x": 1}'))
    running = await serve(skills=talking(script))

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == (
            b'event: message\ndata: {"type":"begin"}\n\n'
            b'event: message\ndata: {"type":"append","text":"a\\nb"}\n\n'
            b'event: message\ndata: {"type":"end","payload":{"x": 1}}\n\n'
        )


async def test_each_event_leaves_at_once(serve: Serve) -> None:
    """The second comes only once the client saw the first."""
    seen = asyncio.Event()

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        yield MessageBegin()
        await seen.wait()
        yield MessageAppend("late")

    running = await serve(skills=talking(script))

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        assert await answer.content.readuntil(b"\n\n") == (
            b'event: message\ndata: {"type":"begin"}\n\n'
        )
        seen.set()
        assert b"late" in await answer.content.read()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ErrorKind.SKILL_NOT_FOUND, 404),
        (ErrorKind.SKILL_IS_FUNCTION, 409),
        (ErrorKind.OVERLOADED, 503),
        (ErrorKind.INPUT_VIOLATES_SCHEMA, 422),
    ],
)
async def test_what_keeps_a_skill_from_being_called_has_its_status(
    serve: Serve, error: ErrorKind, status: int
) -> None:
    """Proxies and clients see it without parsing events."""
    running = await serve(skills=talking(saying(DaemonError(error, "why"))))

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        assert answer.status == status
        assert json.loads(await answer.read())["code"] == error.value


@pytest.mark.parametrize(
    "error", [ErrorKind.SKILL_FAILED, ErrorKind.INVALID_INPUT, ErrorKind.DEADLINE_EXCEEDED]
)
async def test_what_a_skill_does_wrong_is_an_event(serve: Serve, error: ErrorKind) -> None:
    """Also as the very first one: the status stays 200. Metrics hear of it all the same."""
    failed: list[ErrorKind] = []
    running = await serve(skills=talking(saying(DaemonError(error, "why"))), failed=failed.append)

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        assert answer.status == 200
        expected = b'event: error\ndata: {"message":"why","code":"%b"}\n\n' % error.value.encode()
        assert await answer.read() == expected
    assert failed == [error]


async def test_a_failure_after_the_first_event_is_the_last_event(serve: Serve) -> None:
    """Whatever its kind."""
    late = DaemonError(ErrorKind.OVERLOADED, "too late for a status")
    running = await serve(skills=talking(saying(ToolBegin("add"), late)))

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        text = (await answer.read()).decode()

    assert text.startswith('event: tool\ndata: {"type":"begin","name":"add"}\n\nevent: error\n')


async def test_a_bug_in_mid_stream_is_an_event_without_its_inside(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the rest."""
    running = await serve(skills=talking(saying(MessageBegin(), KeyError("secret"))))

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        text = (await answer.read()).decode()

    assert '"code":"internal"' in text
    assert "secret" not in text
    assert "KeyError" in caplog.text


async def test_silence_is_filled_with_comments(serve: Serve) -> None:
    """Also before the first event, so that proxies don't cut a thinking model off."""
    go_on = asyncio.Event()

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        await go_on.wait()
        yield MessageBegin()

    options = Options(heartbeat=0.01, head_wait=0.01)
    running = await serve(skills=talking(script), options=options)

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        assert await answer.content.readexactly(6) == b":\n\n:\n\n"
        go_on.set()
        assert (await answer.read()).replace(b":\n\n", b"").startswith(b"event: message")


async def test_a_client_that_leaves_closes_the_stream(serve: Serve) -> None:
    """In the middle, while the Skill is silent."""

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        yield MessageBegin()
        await asyncio.Event().wait()

    skills = talking(script)
    running = await serve(skills=skills)
    reader, writer = await connect(running)
    await reader.readuntil(b"begin")

    writer.close()

    await asyncio.wait_for(skills.closed.wait(), 5)


async def test_a_client_that_leaves_before_the_first_event_closes_the_stream(
    serve: Serve,
) -> None:
    """A guest that thinks for nobody is stopped as well."""
    started = asyncio.Event()

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        started.set()
        await asyncio.Event().wait()
        yield MessageBegin()

    skills = talking(script)
    running = await serve(skills=skills)
    _, writer = await connect(running)
    await started.wait()

    writer.close()

    await asyncio.wait_for(skills.closed.wait(), 5)


async def test_a_slow_client_holds_the_skill_back(serve: Serve) -> None:
    """The Skill is asked for more only when the socket takes more."""
    said = 0
    piece = "x" * (64 << 10)

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        nonlocal said
        while said < 2000:  # 128 MiB: far more than all buffers
            said += 1
            yield MessageAppend(piece)

    skills = talking(script)
    running = await serve(skills=skills)
    reader, writer = await connect(running)
    await reader.readuntil(b"append")

    async def at_rest() -> int:
        before = -1
        while before != said:
            before = said
            for _ in range(200):
                await asyncio.sleep(0)
        return said

    assert await at_rest() < 500
    writer.transport.abort()
    await asyncio.wait_for(skills.closed.wait(), 5)


async def test_stopping_ends_long_streams_with_an_event(serve: Serve) -> None:
    """The client learns that the server went, not that the Skill was done."""

    async def script(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        yield MessageBegin()
        await asyncio.Event().wait()

    skills = talking(script)
    running = await serve(skills=skills)

    async with running.http.post(STREAM, data=b"1", headers=JSON) as answer:
        await answer.content.readuntil(b"\n\n")
        await running.server.stop(grace=0.01)
        last: Any = (await answer.read()).decode()

    assert last.startswith("event: error\n")
    assert '"code":"shutting-down"' in last
    assert skills.closed.is_set()
