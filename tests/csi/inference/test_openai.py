import asyncio

import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.http import Backend
from daemon.csi.inference.openai import OpenAiInference
from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret
from tests.inference_stub import Fault, StubBackend

CALLER = csi.Caller(token="callers", trace=(("traceparent", "00-1-2-01"),))
ASK = csi.ChatRequest("stub", [csi.OtherMessage("User", "hi")])
USAGE = csi.TokenUsage(3, 2)


@pytest.fixture
def driver(backend: Backend) -> OpenAiInference:
    """The driver on the stub."""
    return OpenAiInference(backend, Secret("secret"))


async def test_chat_sends_our_token_and_the_trace(
    stub: StubBackend, driver: OpenAiInference
) -> None:
    """Chat sends our token and the trace."""
    answer = await driver.chat(ASK, CALLER)

    assert answer == csi.ChatResponse(csi.AssistantMessage("Hello"), "stop", USAGE)
    assert stub.seen[0].headers["Authorization"] == "Bearer secret"
    assert stub.seen[0].headers["traceparent"] == "00-1-2-01"
    assert stub.seen[0].body["messages"] == [{"role": "user", "content": "hi"}]


async def test_streams_split_at_every_byte(stub: StubBackend, driver: OpenAiInference) -> None:
    """Streams split at every byte."""
    stub.step = 1
    begin, *rest = [event async for event in driver.chat_stream(ASK, CALLER)]

    assert begin == csi.Begin("assistant")
    assert rest == [csi.Append("Hello"), csi.End("stop"), csi.Usage(USAGE)]


async def test_complete_whole_and_in_pieces(driver: OpenAiInference) -> None:
    """Complete whole and in pieces."""
    request = csi.CompletionRequest("stub", "hi")
    assert await driver.complete(request, CALLER) == csi.Completion("Hello", "stop", USAGE)
    events = [event async for event in driver.completion_stream(request, CALLER)]
    assert events == [csi.Append("Hello"), csi.End("stop"), csi.Usage(USAGE)]


async def test_closing_a_stream_closes_the_connection(
    stub: StubBackend, driver: OpenAiInference
) -> None:
    """Closing a stream closes the connection."""
    stub.faults.append(Fault(events=1, then="hang"))
    stream = driver.chat_stream(ASK, CALLER)
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(0.2):
        await stub.gone.wait()


@pytest.mark.parametrize(
    ("faults", "kind", "requests"),
    [
        ([Fault(status=503)] * 2, None, 3),
        ([Fault(status=429, headers={"Retry-After": "0"})], None, 2),
        ([Fault(status=429, body=b'{"error":{"code":"insufficient_quota"}}')],
         ErrorKind.CSI_RATE_LIMITED, 1),
        ([Fault(status=500)], ErrorKind.CSI_UPSTREAM, 1),
        ([Fault(status=400, body=b'{"error":{"message":"no"}}')], ErrorKind.CSI_BAD_REQUEST, 1),
        ([Fault(status=401)], ErrorKind.CSI_UNAUTHORIZED, 1),
        ([Fault(status=302, headers={"Location": "/x"})], ErrorKind.CSI_UPSTREAM, 1),
        ([Fault(status=404)], ErrorKind.CSI_NOT_CONFIGURED, 1),
        ([Fault(hang=True)], ErrorKind.CSI_TIMEOUT, 1),
        ([Fault(status=200, body=b"{")], ErrorKind.CSI_UPSTREAM, 1),
    ],
)  # fmt: skip
async def test_faults_keep_their_kind(
    stub: StubBackend,
    driver: OpenAiInference,
    faults: list[Fault],
    kind: ErrorKind | None,
    requests: int,
) -> None:
    """Faults keep their kind."""
    stub.faults.extend(faults)
    found = None
    try:
        await driver.chat(ASK, CALLER)
    except DaemonError as error:
        found = error.kind
        assert "secret" not in error.detail
    assert (found, len(stub.seen)) == (kind, requests)


@pytest.mark.parametrize(
    ("then", "kind"), [("cut", ErrorKind.CSI_UPSTREAM), ("hang", ErrorKind.CSI_TIMEOUT)]
)
async def test_a_broken_stream_is_not_repeated(
    stub: StubBackend, driver: OpenAiInference, then: str, kind: ErrorKind
) -> None:
    """A broken stream is not repeated."""
    stub.faults.append(Fault(events=1, then=then))
    with pytest.raises(DaemonError) as caught:
        _ = [event async for event in driver.chat_stream(ASK, CALLER)]
    assert (caught.value.kind, len(stub.seen)) == (kind, 1)


async def test_unknown_model_and_role_are_named(stub: StubBackend, driver: OpenAiInference) -> None:
    """Unknown model and role are named."""
    with pytest.raises(DaemonError, match="'gone'") as caught:
        await driver.chat(csi.ChatRequest("gone", []), CALLER)
    assert caught.value.kind is ErrorKind.CSI_UNKNOWN_MODEL
    with pytest.raises(DaemonError, match=r"'owl'.*user, assistant"):
        await driver.chat(csi.ChatRequest("stub", [csi.OtherMessage("owl", "")]), CALLER)
    assert len(stub.seen) == 1


async def test_explain_is_refused_clearly(driver: OpenAiInference) -> None:
    """Explain is refused clearly."""
    with pytest.raises(DaemonError, match="not supported"):
        await driver.explain(csi.ExplanationRequest("a", "b", "stub"), CALLER)
