from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from daemon.observability.tracing import Tracing, failed, outgoing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """What was exported."""
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Iterator[Tracing]:
    """Never samples by itself, so that only the parent's word counts."""
    tracing = Tracing(SimpleSpanProcessor(spans), version="1", ratio=0.0)
    yield tracing
    tracing.close()


def test_a_sampled_parent_is_followed(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    """Spans hang below the caller's, and backends are told the exported span."""
    with (
        tracing.request("POST /run", {"traceparent": PARENT}) as outer,
        tracing.step("skill_execution", {"skill": "team/greet"}),
    ):
        headers = dict(outgoing())

    inner, server = spans.get_finished_spans()

    assert (inner.name, server.name) == ("skill_execution", "POST /run")
    assert inner.parent is not None
    assert inner.parent.span_id == outer.get_span_context().span_id
    assert inner.context is not None
    assert headers["traceparent"].split("-")[2] == f"{inner.context.span_id:016x}"
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == "00f067aa0ba902b7"


def test_what_nobody_samples_is_not_exported(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    """Still, a valid trace is passed on."""
    with tracing.request("GET /", {}):
        flags = int(dict(outgoing())["traceparent"].rpartition("-")[2], 16)

    assert not flags & 1
    assert not spans.get_finished_spans()


def test_failures_are_marked(tracing: Tracing, spans: InMemorySpanExporter) -> None:
    """With a sentence."""
    with tracing.request("GET /", {"traceparent": PARENT}) as span:
        failed(span, "deadline exceeded")

    (server,) = spans.get_finished_spans()
    assert server.status.description == "deadline exceeded"


def test_outside_of_spans_there_is_nothing_to_pass_on() -> None:
    """No header of zeros."""
    assert outgoing() == ()
