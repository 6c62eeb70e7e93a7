import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import aiohttp
import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.aleph_alpha import AlephAlphaInference
from daemon.csi.inference.http import Backend, Bounds
from daemon.errors import DaemonError, ErrorKind
from tests.inference_stub import Fault, StubBackend

CALLER = csi.Caller(token="secret", trace=(("traceparent", "00-1-2-01"),))
CHAT = csi.ChatRequest("stub", [])
COMPLETION = csi.CompletionRequest("stub", "hi", csi.CompletionParams(logprobs="sampled"))
EXPLANATION = csi.ExplanationRequest("hi", "ho", "stub")
SAMPLED = [csi.Distribution(csi.Logprob(b"Hello", -0.5))]
USAGE = csi.TokenUsage(3, 2)

Asks = Callable[[AlephAlphaInference, csi.Caller], Awaitable[object]]


async def chat(driver: AlephAlphaInference, caller: csi.Caller) -> object:
    """A whole answer."""
    return await driver.chat(CHAT, caller)


async def chat_stream(driver: AlephAlphaInference, caller: csi.Caller) -> object:
    """An answer in pieces."""
    return [event async for event in driver.chat_stream(CHAT, caller)]


async def complete(driver: AlephAlphaInference, caller: csi.Caller) -> object:
    """A whole completion."""
    return await driver.complete(COMPLETION, caller)


async def completion_stream(driver: AlephAlphaInference, caller: csi.Caller) -> object:
    """A completion in pieces."""
    return [event async for event in driver.completion_stream(COMPLETION, caller)]


async def explain(driver: AlephAlphaInference, caller: csi.Caller) -> object:
    """Scores."""
    return await driver.explain(EXPLANATION, caller)


async def tokenizer(driver: AlephAlphaInference, caller: csi.Caller) -> object:
    """A tokenizer."""
    return await driver.tokenizer("a/b", caller)


each_function = pytest.mark.parametrize(
    "ask", [chat, chat_stream, complete, completion_stream, explain, tokenizer]
)


@pytest.fixture
def driver(backend: Backend) -> AlephAlphaInference:
    """The driver on the stub."""
    return AlephAlphaInference(backend)


async def test_native_functions_are_answered(driver: AlephAlphaInference) -> None:
    """Completions whole and in pieces, and explanations."""
    assert await complete(driver, CALLER) == csi.Completion("Hello", "length", USAGE, SAMPLED)
    assert await completion_stream(driver, CALLER) == [
        csi.Append("Hello", SAMPLED),
        csi.End("stop"),
        csi.Usage(USAGE),
    ]
    assert await explain(driver, CALLER) == [csi.TextScore(0, 5, 0.25)]


async def test_chats_speak_openais_format(stub: StubBackend, driver: AlephAlphaInference) -> None:
    """With thoughts told from the answer, as everywhere."""
    stub.replies.append(
        [
            {"choices": [{"delta": {"role": "assistant", "content": "<think>a</think>b"}}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        ]
    )

    assert await chat_stream(driver, CALLER) == [
        csi.Begin("assistant"),
        csi.ReasoningDelta("a"),
        csi.Append("b"),
        csi.End("stop"),
    ]
    assert await chat(driver, CALLER) == csi.ChatResponse(
        csi.AssistantMessage("Hello"), "stop", USAGE
    )


async def test_a_tokenizer_is_fetched_by_its_models_name(
    stub: StubBackend, driver: AlephAlphaInference
) -> None:
    """Whatever characters that has."""
    assert b"WordLevel" in await driver.tokenizer("a/b?c", CALLER)
    assert stub.seen[0].path == "/models/a/b?c/tokenizer"


@each_function
async def test_the_callers_token_and_trace_are_sent(
    stub: StubBackend, driver: AlephAlphaInference, ask: Asks
) -> None:
    """The backend knows the caller; a token that it refuses is the caller's."""
    await ask(driver, CALLER)
    with pytest.raises(DaemonError) as caught:
        await ask(driver, replace(CALLER, token="other"))

    assert stub.seen[0].headers["Authorization"] == "Bearer secret"
    assert stub.seen[0].headers["traceparent"] == "00-1-2-01"
    assert caught.value.kind is ErrorKind.CSI_UNAUTHORIZED


@each_function
async def test_without_a_token_nothing_is_sent(
    stub: StubBackend, driver: AlephAlphaInference, ask: Asks
) -> None:
    """The caller is told how to send one."""
    with pytest.raises(DaemonError, match="Authorization header") as caught:
        await ask(driver, csi.Caller())

    assert caught.value.kind is ErrorKind.CSI_UNAUTHORIZED
    assert not stub.seen


async def test_an_unknown_model_is_named(driver: AlephAlphaInference) -> None:
    """By native functions and by chats."""
    for asking in (
        driver.complete(csi.CompletionRequest("gone", ""), CALLER),
        anext(driver.completion_stream(csi.CompletionRequest("gone", ""), CALLER)),
        driver.explain(csi.ExplanationRequest("", "", "gone"), CALLER),
        driver.chat(csi.ChatRequest("gone", []), CALLER),
    ):
        with pytest.raises(DaemonError, match="'gone'") as caught:
            await asking
        assert caught.value.kind is ErrorKind.CSI_UNKNOWN_MODEL


@each_function
async def test_a_busy_backend_is_waited_for(
    stub: StubBackend, driver: AlephAlphaInference, ask: Asks
) -> None:
    """Its queue may be full for a moment."""
    stub.faults.append(Fault(status=503, body=b'{"error":"busy","code":"QUEUE_FULL"}'))

    await ask(driver, CALLER)

    assert len(stub.seen) == 2


@each_function
async def test_a_silent_backend_is_a_timeout(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks
) -> None:
    """By our bounds, or the caller's deadline if that is earlier."""
    stub.faults.extend([Fault(hang=True)] * 2)
    soon = replace(CALLER, deadline=asyncio.get_running_loop().time() + 0.05)

    for bounds, caller in ((Bounds(first_byte=0.05), CALLER), (Bounds(), soon)):
        driver = AlephAlphaInference(Backend(session, stub.url, bounds=bounds))
        with pytest.raises(DaemonError) as caught:
            await ask(driver, caller)
        assert caught.value.kind is ErrorKind.CSI_TIMEOUT


@pytest.mark.parametrize("ask", [chat_stream, completion_stream])
@pytest.mark.parametrize("bounds", [Bounds(idle=0.05), Bounds(whole=0.05)])
async def test_a_stream_that_stops_is_a_timeout(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks, bounds: Bounds
) -> None:
    """Silence is bounded, and so is the whole."""
    stub.faults.append(Fault(events=1, then="hang"))

    with pytest.raises(DaemonError) as caught:
        await ask(AlephAlphaInference(Backend(session, stub.url, bounds=bounds)), CALLER)

    assert (caught.value.kind, len(stub.seen)) == (ErrorKind.CSI_TIMEOUT, 1)


async def test_a_completion_without_end_is_malformed(
    stub: StubBackend, driver: AlephAlphaInference
) -> None:
    """Half an answer is not passed off as a whole one."""
    stub.replies.append([{"type": "stream_chunk", "completion": "Hel"}, "[DONE]"])

    with pytest.raises(DaemonError, match="ended before the completion did"):
        await completion_stream(driver, CALLER)


async def test_a_dropped_stream_closes_its_connection(
    stub: StubBackend, driver: AlephAlphaInference
) -> None:
    """At once, native or not."""
    for stream in (
        driver.completion_stream(COMPLETION, CALLER),
        driver.chat_stream(CHAT, CALLER),
    ):
        stub.gone.clear()
        stub.faults.append(Fault(events=1, then="hang"))
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(1):
            await stub.gone.wait()
