import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.http import Backend, Bounds
from daemon.csi.inference.openai import OpenAiInference
from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret
from tests.inference_stub import Fault, StubBackend

CALLER = csi.Caller(token="callers", trace=(("traceparent", "00-1-2-01"),))
CHAT = csi.ChatRequest("stub", [csi.OtherMessage("User", "hi")])
COMPLETION = csi.CompletionRequest("stub", "hi")
USAGE = csi.TokenUsage(3, 2)

Asks = Callable[[OpenAiInference, csi.Caller], Awaitable[object]]


async def chat(driver: OpenAiInference, caller: csi.Caller) -> object:
    """A whole answer."""
    return await driver.chat(CHAT, caller)


async def chat_stream(driver: OpenAiInference, caller: csi.Caller) -> object:
    """An answer in pieces."""
    return [event async for event in driver.chat_stream(CHAT, caller)]


async def complete(driver: OpenAiInference, caller: csi.Caller) -> object:
    """A whole completion."""
    return await driver.complete(COMPLETION, caller)


async def completion_stream(driver: OpenAiInference, caller: csi.Caller) -> object:
    """A completion in pieces."""
    return [event async for event in driver.completion_stream(COMPLETION, caller)]


each_function = pytest.mark.parametrize("ask", [chat, chat_stream, complete, completion_stream])


@pytest.fixture
def driver(backend: Backend) -> OpenAiInference:
    """The driver on the stub."""
    return OpenAiInference(backend, Secret("secret"))


@each_function
async def test_the_operators_token_is_sent_and_the_callers_trace(
    stub: StubBackend, driver: OpenAiInference, ask: Asks
) -> None:
    """The caller's token is none of that backend's business."""
    await ask(driver, CALLER)

    assert stub.seen[0].headers["Authorization"] == "Bearer secret"
    assert stub.seen[0].headers["traceparent"] == "00-1-2-01"
    assert "callers" not in str(stub.seen[0])


async def test_a_rotated_token_is_used_at_once(
    stub: StubBackend, backend: Backend, tmp_path: Path
) -> None:
    """It is read when it is used."""
    file = tmp_path / "token"
    file.write_text("old")
    driver = OpenAiInference(backend, Secret(file=file))
    with pytest.raises(DaemonError, match="refused the token"):
        await driver.chat(CHAT, CALLER)

    file.write_text("secret\n")

    assert (await driver.chat(CHAT, CALLER)).usage == USAGE


async def test_chats_and_completions_are_answered(driver: OpenAiInference) -> None:
    """Whole and in pieces."""
    assert await chat(driver, CALLER) == csi.ChatResponse(
        csi.AssistantMessage("Hello"), "stop", USAGE
    )
    ends = [csi.Append("Hello"), csi.End("stop"), csi.Usage(USAGE)]
    assert await chat_stream(driver, CALLER) == [csi.Begin("assistant"), *ends]
    assert await complete(driver, CALLER) == csi.Completion("Hello", "stop", USAGE)
    assert await completion_stream(driver, CALLER) == ends


@each_function
async def test_a_backend_without_the_function_is_told(
    stub: StubBackend, driver: OpenAiInference, ask: Asks
) -> None:
    """Many have no `/completions`; the text names the path."""
    stub.faults.append(Fault(status=404, body=b'{"detail":"Not Found"}'))

    with pytest.raises(DaemonError, match="does not support /c") as caught:
        await ask(driver, CALLER)

    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED


@pytest.mark.parametrize(
    "asking",
    [
        lambda driver: driver.chat(csi.ChatRequest("gone", []), CALLER),
        lambda driver: anext(driver.chat_stream(csi.ChatRequest("gone", []), CALLER)),
        lambda driver: driver.complete(csi.CompletionRequest("gone", ""), CALLER),
        lambda driver: anext(driver.completion_stream(csi.CompletionRequest("gone", ""), CALLER)),
    ],
)
async def test_an_unknown_model_is_named(
    driver: OpenAiInference, asking: Callable[[OpenAiInference], Awaitable[object]]
) -> None:
    """By every function."""
    with pytest.raises(DaemonError, match="'gone'") as caught:
        await asking(driver)

    assert caught.value.kind is ErrorKind.CSI_UNKNOWN_MODEL


@each_function
async def test_passing_trouble_is_waited_out(
    stub: StubBackend, driver: OpenAiInference, ask: Asks
) -> None:
    """Before an answer began."""
    stub.faults.extend([Fault(status=503), Fault(status=429, headers={"Retry-After": "0"})])

    await ask(driver, CALLER)

    assert len(stub.seen) == 3


@each_function
async def test_a_silent_backend_is_a_timeout(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks
) -> None:
    """By our bounds, or the caller's deadline if that is earlier."""
    stub.faults.extend([Fault(hang=True)] * 2)
    soon = replace(CALLER, deadline=asyncio.get_running_loop().time() + 0.05)

    for bounds, caller in ((Bounds(first_byte=0.05), CALLER), (Bounds(), soon)):
        driver = OpenAiInference(Backend(session, stub.url, bounds=bounds), Secret("secret"))
        with pytest.raises(DaemonError) as caught:
            await ask(driver, caller)
        assert caught.value.kind is ErrorKind.CSI_TIMEOUT


@pytest.mark.parametrize("ask", [chat_stream, completion_stream])
@pytest.mark.parametrize(
    ("then", "kind"), [("cut", ErrorKind.CSI_UPSTREAM), ("hang", ErrorKind.CSI_TIMEOUT)]
)
async def test_a_broken_stream_is_not_repeated(
    stub: StubBackend, driver: OpenAiInference, ask: Asks, then: str, kind: ErrorKind
) -> None:
    """The Skill may have used what came."""
    stub.faults.append(Fault(events=1, then="cut" if then == "cut" else "hang"))

    with pytest.raises(DaemonError) as caught:
        await ask(driver, CALLER)

    assert (caught.value.kind, len(stub.seen)) == (kind, 1)


async def test_a_completion_without_end_is_malformed(
    stub: StubBackend, driver: OpenAiInference
) -> None:
    """Half an answer is not passed off as a whole one."""
    stub.replies.append([{"choices": [{"text": "Hel"}]}, "[DONE]"])

    with pytest.raises(DaemonError, match="ended before the completion did"):
        await completion_stream(driver, CALLER)


async def test_a_dropped_completion_closes_its_connection(
    stub: StubBackend, driver: OpenAiInference
) -> None:
    """At once, as that of a chat does."""
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


async def test_explanations_are_refused_with_the_way_out(driver: OpenAiInference) -> None:
    """No such backend has them."""
    with pytest.raises(DaemonError, match="set INFERENCE_URL") as caught:
        await driver.explain(csi.ExplanationRequest("a", "b", "stub"), CALLER)

    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED
