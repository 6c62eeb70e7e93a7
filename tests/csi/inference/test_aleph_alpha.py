import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.aleph_alpha import AlephAlphaInference
from daemon.csi.inference.http import Backend
from daemon.errors import DaemonError, ErrorKind

CALLER = csi.Caller(token="secret")
ASK = csi.CompletionRequest("stub", "hi", csi.CompletionParams(logprobs="sampled"))
SAMPLED = [csi.Distribution(csi.Logprob(b"Hello", -0.5))]


@pytest.fixture
def driver(backend: Backend) -> AlephAlphaInference:
    """The driver on the stub."""
    return AlephAlphaInference(backend)


async def test_native_functions(driver: AlephAlphaInference) -> None:
    """Native functions."""
    usage = csi.TokenUsage(3, 2)
    assert await driver.complete(ASK, CALLER) == csi.Completion("Hello", "length", usage, SAMPLED)
    events = [event async for event in driver.completion_stream(ASK, CALLER)]
    assert events == [csi.Append("Hello", SAMPLED), csi.End("stop"), csi.Usage(usage)]
    scores = await driver.explain(csi.ExplanationRequest("a", "b", "stub"), CALLER)
    assert scores == [csi.TextScore(0, 5, 0.25)]
    assert b"WordLevel" in await driver.tokenizer("a/b", CALLER)


async def test_chat_uses_the_callers_token(driver: AlephAlphaInference) -> None:
    """Chat uses the callers token."""
    request = csi.ChatRequest("stub", [])
    assert (await driver.chat(request, CALLER)).message.content == "Hello"
    assert [event async for event in driver.chat_stream(request, CALLER)][1] == csi.Append("Hello")


async def test_without_token_or_model(driver: AlephAlphaInference) -> None:
    """Without token or model."""
    with pytest.raises(DaemonError, match="Authorization header"):
        await driver.complete(ASK, csi.Caller())
    with pytest.raises(DaemonError) as caught:
        await driver.complete(csi.CompletionRequest("gone", ""), CALLER)
    assert caught.value.kind is ErrorKind.CSI_UNKNOWN_MODEL
