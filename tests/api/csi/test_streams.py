"""Streams of a model on a real server: bytes, failures, clients that leave or are slow."""

import asyncio
from typing import Any

import pytest

from daemon.api.ports import Options
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from tests.api.conftest import Serve
from tests.fakes_csi import Oracle, drivers
from tests.waiting import until

CHAT = {"model": "m", "messages": [], "params": {"logprobs": "no"}}
COMPLETION = {
    "model": "m",
    "prompt": "p",
    "params": {"return_special_tokens": False, "stop": [], "logprobs": "no"},
}
SAID = (
    csi.Begin("assistant"),
    csi.ReasoningDelta("hm"),
    csi.Append("line\n\u2028"),
    csi.End("stop"),
    csi.Usage(csi.TokenUsage(3, 2)),
)
V2 = (
    'event: message_begin\ndata: {"role":"assistant"}\n\n'
    'event: reasoning\ndata: {"content":"hm"}\n\n'
    'event: message_append\ndata: {"content":"line\\n\u2028"}\n\n'
    'event: message_end\ndata: {"finish_reason":"stop"}\n\n'
    'event: usage\ndata: {"usage":{"prompt":3,"completion":2}}\n\n'
)
V1 = V2.replace('event: reasoning\ndata: {"content":"hm"}\n\n', "").replace(
    '\u2028"}', '\u2028","logprobs":[]}'
)


@pytest.mark.parametrize(("version", "text"), [("v1", V1), ("v2", V2)])
async def test_a_chat_is_streamed_to_the_letter(serve: Serve, version: str, text: str) -> None:
    """The head is that of all event streams."""
    running = await serve(csi=drivers(Oracle(events=SAID)))

    async with running.http.post(f"/csi/{version}/chat_stream", json=CHAT) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert await answer.text("utf-8") == text


async def test_a_completion_is_streamed_to_the_letter(serve: Serve) -> None:
    """Without beginning."""
    events = (csi.Append("a"), csi.End("length"))
    running = await serve(csi=drivers(Oracle(events=events)))

    async with running.http.post("/csi/v1/completion_stream", json=COMPLETION) as answer:
        assert await answer.text() == (
            'event: append\ndata: {"text":"a","logprobs":[]}\n\n'
            'event: end\ndata: {"finish_reason":"length"}\n\n'
        )


@pytest.mark.parametrize("path", ["/csi/v1/chat_stream", "/csi/v2/completion_stream"])
async def test_a_failure_is_the_last_event(serve: Serve, path: str) -> None:
    """Also when it comes first: clients of this interface wait for it there."""
    error = DaemonError(ErrorKind.CSI_UNKNOWN_MODEL, "the model 'm' was not found")
    running = await serve(csi=drivers(Oracle(error=error)))

    body = CHAT if "chat" in path else COMPLETION
    async with running.http.post(path, json=body) as answer:
        assert answer.status == 200
        assert await answer.text() == (
            'event: error\ndata: {"message":"the model \'m\' was not found"}\n\n'
        )


async def test_an_unexpected_tool_call_ends_the_stream(serve: Serve) -> None:
    """And the upstream stream with it."""
    oracle = Oracle(events=(csi.Begin("assistant"), csi.ToolCallDelta([]), csi.End("stop")))
    running = await serve(csi=drivers(oracle))

    async with running.http.post("/csi/v1/chat_stream", json=CHAT) as answer:
        text = await answer.text()

    assert text.count("event:") == 2
    assert "offers none" in text
    assert oracle.closed.is_set()


async def test_a_wrong_request_has_a_status(serve: Serve) -> None:
    """No stream was begun."""
    running = await serve(csi=drivers())

    wrong = CHAT | {"messages": [{"role": "user"}]}
    headers = {"Accept": "text/event-stream"}
    async with running.http.post("/csi/v1/chat_stream", json=wrong, headers=headers) as answer:
        assert answer.status == 422
        assert answer.content_type == "application/problem+json"


async def test_silence_is_silent(serve: Serve) -> None:
    """The public SDK can't read comments, so none are sent."""
    oracle = Oracle(events=(csi.Append("a"),), hang=True)
    running = await serve(csi=drivers(oracle), options=Options(heartbeat=0.001))

    async with running.http.post("/csi/v1/chat_stream", json=CHAT) as answer:
        await answer.content.readuntil(b"\n\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.content.readany(), 0.05)


async def test_a_client_that_leaves_closes_the_upstream_stream(serve: Serve) -> None:
    """While it waits for the next event."""
    oracle = Oracle(events=(csi.Append("a"),), hang=True)
    running = await serve(csi=drivers(oracle))

    async with running.http.post("/csi/v1/chat_stream", json=CHAT) as answer:
        await answer.content.readany()
        answer.close()

    await asyncio.wait_for(oracle.closed.wait(), 5)


async def test_a_slow_client_slows_the_model_down(serve: Serve) -> None:
    """What it does not read is not asked for."""
    oracle = Oracle(events=[csi.Append("x" * 65536)] * 1000)
    running = await serve(csi=drivers(oracle))

    async with running.http.post("/csi/v2/chat_stream", json=CHAT) as answer:
        await until(lambda: oracle.given > 1)
        before = -1
        while before != oracle.given:  # until nothing moves any more
            before = oracle.given
            async with running.http.get("/health") as other:
                await other.read()
        assert before < 900
        answer.close()
    await asyncio.wait_for(oracle.closed.wait(), 5)


async def test_a_stop_of_the_server_is_told(serve: Serve) -> None:
    """As an error, so that nobody takes the text for complete."""
    oracle = Oracle(events=(csi.Append("a"),), hang=True)
    running = await serve(csi=drivers(oracle))

    async with running.http.post("/csi/v1/chat_stream", json=CHAT) as answer:
        await answer.content.readuntil(b"\n\n")
        stop: Any = asyncio.ensure_future(running.server.stop(grace=0.0))
        rest = await answer.text()
        await stop

    assert rest.startswith('event: error\ndata: {"message":"The server is shutting down')
    assert oracle.closed.is_set()
