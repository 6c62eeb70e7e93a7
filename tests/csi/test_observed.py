"""Each request is counted, timed and traced once, under the contract's names."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.csi.observed import observed
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.observability.metrics import Metrics
from daemon.observability.tracing import Tracing
from tests.fakes_csi import PLACE, Oracle, drivers

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CALLER = csi.Caller(
    namespace=Namespace("test-beta"),
    token="secret",
    trace=(("traceparent", PARENT), ("tracestate", "a=b"), ("baggage", "c=d")),
)
COMPLETION = csi.CompletionRequest("m", "p")
CHAT = csi.ChatRequest("m", [csi.OtherMessage("user", "private")])
SEARCH = csi.SearchRequest(csi.IndexPath("n", "c", "i"), "private", 1)
USAGE = csi.Usage(csi.TokenUsage(3, 2))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """What was exported."""
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    """Samples what the caller samples."""
    tracing = Tracing(SimpleSpanProcessor(exporter), version="1", ratio=0.0)
    yield tracing
    tracing.close()


def outcomes(metrics: Metrics) -> dict[tuple[str, str], float]:
    """How many requests ended how, by function and outcome."""
    (family,) = metrics.csi_duration.collect()
    return {
        (one.labels["function"], one.labels["outcome"]): one.value
        for one in family.samples
        if one.name.endswith("_count")
    }


def counts(metrics: Metrics) -> dict[str, float]:
    """How many requests were made, by function."""
    (family,) = metrics.csi_requests.collect()
    return {
        one.labels["function"]: one.value for one in family.samples if one.name.endswith("_total")
    }


@pytest.mark.parametrize(
    ("request_", "counted"),
    [
        (csi.Complete([COMPLETION] * 3), {"complete": 3}),
        (csi.Chat([CHAT] * 2), {"chat": 2}),
        (csi.Explain([csi.ExplanationRequest("p", "t", "m")]), {"explain": 1}),
        (csi.ChunkTexts([csi.ChunkRequest("t", "m", 1)] * 2), {"chunk": 2}),
        (csi.SelectLanguage([csi.LanguageRequest("t", ["deu"])]), {"select_language": 1}),
        (csi.Search([SEARCH]), {"search": 1}),
        (csi.Documents([PLACE] * 4), {"documents": 4}),
        (csi.DocumentMetadata([PLACE]), {"document_metadata": 1}),
        (csi.InvokeTools([csi.ToolInvocation("saboteur")] * 2), {"invoke_tool": 2}),
        (csi.ListTools(), {"list_tools": 1}),
        (csi.OpenChatStream(CHAT), {"chat_stream": 1}),
        (csi.OpenCompletionStream(COMPLETION), {"completion_stream": 1}),
        (csi.Chat([]), {}),
    ],
)
async def test_batches_count_their_length(request_: Any, counted: dict[str, int]) -> None:
    """And the answers are those of the drivers."""
    metrics = Metrics()
    plain = DriverContext(drivers(Oracle()), CALLER, lambda _: None)
    context = DriverContext(observed(drivers(Oracle()), metrics, None), CALLER, lambda _: None)

    assert await context.answer(request_) == await plain.answer(request_)

    assert counts(metrics) == counted
    await context.close()
    await plain.close()


async def test_ends_are_timed_by_function_and_outcome() -> None:
    """An error's code, a tool's failure, a caller that left: all are bounded in number."""
    metrics = Metrics()
    error = DaemonError(ErrorKind.CSI_TIMEOUT, "slow")
    failing = observed(drivers(Oracle(error=error)), metrics, None)
    hanging = observed(drivers(Oracle(hang=True)), metrics, None)
    with pytest.raises(DaemonError):
        await failing.inference.chat(CHAT, CALLER)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await hanging.inference.complete(COMPLETION, CALLER)
    await failing.tools.invoke(csi.ToolInvocation("saboteur"), CALLER)
    await failing.tools.list(CALLER)

    assert outcomes(metrics) == {
        ("chat", "csi-timeout"): 1,
        ("complete", "cancelled"): 1,
        ("invoke_tool", "tool-failed"): 1,
        ("list_tools", "ok"): 1,
    }


async def test_streams_are_timed_until_their_end() -> None:
    """However they end; one that was never read has taken no time."""
    metrics = Metrics()
    events = [csi.Begin("assistant"), csi.End("stop")]
    whole = observed(drivers(Oracle(events=events)), metrics, None)
    broken = observed(
        drivers(Oracle(error=DaemonError(ErrorKind.CSI_UPSTREAM, "gone"))), metrics, None
    )
    assert [one async for one in whole.inference.chat_stream(CHAT, CALLER)] == events
    with pytest.raises(DaemonError):
        await anext(broken.inference.completion_stream(COMPLETION, CALLER))
    dropped = whole.inference.chat_stream(CHAT, CALLER)
    await anext(dropped)
    await dropped.aclose()
    await whole.inference.chat_stream(CHAT, CALLER).aclose()

    assert counts(metrics) == {"chat_stream": 3, "completion_stream": 1}
    assert outcomes(metrics) == {
        ("chat_stream", "ok"): 1,
        ("completion_stream", "csi-upstream"): 1,
        ("chat_stream", "cancelled"): 1,
    }


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    """The one span that was exported."""
    (span,) = exporter.get_finished_spans()
    return span


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_span_is_told_to_the_backend(
    tracing: Tracing, exporter: InMemorySpanExporter, streamed: bool
) -> None:
    """It hangs below the caller's, names model and usage, and holds nothing that was said."""
    oracle = Oracle(events=[csi.Begin("assistant"), csi.End("stop"), USAGE])
    model = observed(drivers(oracle), Metrics(), tracing).inference
    if streamed:
        assert len([one async for one in model.chat_stream(CHAT, CALLER)]) == 3
    else:
        await model.chat(CHAT, CALLER)

    span = only(exporter)
    assert span.name == "chat"
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.response.finish_reason": "stop",
    }
    assert span.parent is not None and span.context is not None
    assert f"{span.parent.span_id:016x}" == PARENT.split("-")[2]
    assert dict(oracle.callers[0].trace) == {
        "traceparent": f"00-{PARENT.split('-')[1]}-{span.context.span_id:016x}-01",
        "tracestate": "a=b",
        "baggage": "c=d",
    }
    assert oracle.callers[0].token == "secret"


async def test_every_capability_has_its_span(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    """By the reference's names, each request of a batch one."""
    context = DriverContext(observed(drivers(Oracle()), Metrics(), tracing), CALLER, lambda _: None)
    for request in (
        csi.Complete([COMPLETION] * 2),
        csi.Explain([csi.ExplanationRequest("p", "t", "m")]),
        csi.ChunkTexts([csi.ChunkRequest("private", "m", 1)]),
        csi.SelectLanguage([csi.LanguageRequest("private", ["deu"])]),
        csi.Search([SEARCH]),
        csi.Documents([PLACE]),
        csi.DocumentMetadata([PLACE]),
        csi.InvokeTools([csi.ToolInvocation("add", [csi.ToolArgument("a", b'"private"')])]),
        csi.ListTools(),
    ):  # fmt: skip
        await context.answer(request)

    spans = exporter.get_finished_spans()
    assert Counter(span.name for span in spans) == {
        "text_completion": 2, "explain": 1, "chunk": 1, "select_language": 1, "search": 1,
        "document": 1, "document_metadata": 1, "invoke_tool": 1, "list_tools": 1,
    }  # fmt: skip
    assert not any("private" in str(span.attributes) for span in spans)


@pytest.mark.parametrize("hang", [False, True])
async def test_failures_are_marked_without_their_text(
    tracing: Tracing, exporter: InMemorySpanExporter, hang: bool
) -> None:
    """A backend may quote the prompt in it. That a caller left is no failure."""
    error = None if hang else DaemonError(ErrorKind.CSI_BAD_REQUEST, "private")
    model = observed(drivers(Oracle(error=error, hang=hang)), Metrics(), tracing).inference
    with pytest.raises(TimeoutError if hang else DaemonError):
        async with asyncio.timeout(0 if hang else None):
            await model.chat(CHAT, CALLER)

    span = only(exporter)
    assert span.status.description == (None if hang else "csi-bad-request")
    assert (span.attributes or {}).get("error.type") == (None if hang else "csi-bad-request")
