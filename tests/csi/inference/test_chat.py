import asyncio

import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.chat import chat, chat_stream
from daemon.csi.inference.http import Backend
from daemon.errors import DaemonError, ErrorKind
from tests.inference_stub import Fault, StubBackend, error

ASK = csi.ChatRequest("stub", [csi.OtherMessage("user", "hi")])
NOBODY = csi.Caller()
USAGE = csi.TokenUsage(3, 2)


async def streamed(backend: Backend, request: csi.ChatRequest = ASK) -> list[csi.InferenceEvent]:
    """All events of a stream."""
    stream = chat_stream(backend, request, caller=NOBODY, token="secret")
    return [event async for event in stream]


async def test_a_whole_answer(backend: Backend) -> None:
    """Message, finish reason and usage."""
    answer = await chat(backend, ASK, caller=NOBODY, token="secret")

    assert answer == csi.ChatResponse(csi.AssistantMessage("Hello"), "stop", USAGE)


async def test_an_answer_in_pieces(stub: StubBackend, backend: Backend) -> None:
    """Beginning, text, end, usage; cut anywhere on the way."""
    stub.step = 1

    assert await streamed(backend) == [
        csi.Begin("assistant"),
        csi.Append("Hello"),
        csi.End("stop"),
        csi.Usage(USAGE),
    ]


@pytest.mark.parametrize("events", [0, 1])
async def test_a_stream_without_end_is_an_error(
    stub: StubBackend, backend: Backend, events: int
) -> None:
    """Half an answer is not passed off as a whole one."""
    stub.replies.append([{"choices": [{"delta": {"content": "a"}}]}, "[DONE]"][1 - events :])

    with pytest.raises(DaemonError, match="ended before the message did"):
        await streamed(backend)


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        (error("slow down", code="rate_limit_exceeded"), ErrorKind.CSI_RATE_LIMITED),
        (error("wrong key secret", code="invalid_api_key"), ErrorKind.CSI_UNAUTHORIZED),
        (error("no model secret", code="model_not_found"), ErrorKind.CSI_UNKNOWN_MODEL),
        (error("out of memory, secret", kind="server_error"), ErrorKind.CSI_UPSTREAM),
        ("{oops", ErrorKind.CSI_UPSTREAM),
        ("[" * 100_000, ErrorKind.CSI_UPSTREAM),
    ],
)
async def test_errors_inside_a_stream_keep_their_kind_not_the_token(
    stub: StubBackend, backend: Backend, chunk: object, kind: ErrorKind
) -> None:
    """What came before is passed on."""
    stub.replies.append([{"choices": [{"delta": {"content": "a"}}]}, chunk, "[DONE]"])
    stream = chat_stream(backend, ASK, caller=NOBODY, token="secret")

    assert [await anext(stream), await anext(stream)] == [csi.Begin("assistant"), csi.Append("a")]
    with pytest.raises(DaemonError) as caught:
        await anext(stream)

    assert caught.value.kind is kind
    assert "secret" not in caught.value.detail


async def test_an_error_inside_a_stream_closes_its_connection(
    stub: StubBackend, backend: Backend
) -> None:
    """There is no telling what follows."""
    stub.replies.append([error("x")])
    stub.faults.append(Fault(events=1, then="hang"))

    with pytest.raises(DaemonError):
        await streamed(backend)

    async with asyncio.timeout(1):
        await stub.gone.wait()


async def test_a_dropped_stream_closes_its_connection(stub: StubBackend, backend: Backend) -> None:
    """At once: the backend need not go on."""
    stub.faults.append(Fault(events=1, then="hang"))
    stream = chat_stream(backend, ASK, caller=NOBODY, token="secret")
    await anext(stream)

    await stream.aclose()

    async with asyncio.timeout(1):
        await stub.gone.wait()


async def test_a_mistake_of_the_caller_is_found_before_anything_is_sent(
    stub: StubBackend, backend: Backend
) -> None:
    """Whole or in pieces."""
    request = csi.ChatRequest("stub", [csi.OtherMessage("owl", "")])

    with pytest.raises(DaemonError, match="'owl'"):
        await chat(backend, request, caller=NOBODY, token="secret")
    with pytest.raises(DaemonError, match="'owl'"):
        await streamed(backend, request)
    assert not stub.seen
