import gzip
import logging
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from daemon.observability.tracing import Outages, Tracing, failed, otlp, outgoing

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


class Collector(BaseHTTPRequestHandler):
    """Takes what is exported; answers as its server's `statuses` say, then with 200."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        server.taken.append((self.path, gunzipped(self.headers, body)))
        self.send_response(server.statuses.pop(0) if server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the base class prints."""


def gunzipped(headers: Any, body: bytes) -> bytes:
    """The body without its coding, if it has one."""
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body


@pytest.fixture
def collector() -> Iterator[Any]:
    """A server that speaks OTLP over HTTP."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.taken, server.statuses = [], []
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
def test_spans_reach_a_collector(collector: Any, path: str) -> None:
    """With or without the path that OTLP says; what is left is sent at the end."""
    tracing = otlp(f"http://127.0.0.1:{collector.server_port}{path}", version="1.2", ratio=1.0)
    with tracing.request("GET /", {}):
        pass

    tracing.close()

    ((where, body),) = collector.taken
    (batch,) = ExportTraceServiceRequest.FromString(body).resource_spans
    attributes = {one.key: one.value.string_value for one in batch.resource.attributes}
    assert where == "/v1/traces"
    assert (attributes["service.name"], attributes["service.version"]) == ("skilld", "1.2")
    assert [span.name for span in batch.scope_spans[0].spans] == ["GET /"]


def test_an_outage_of_the_collector_is_logged_once(
    collector: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """When it begins and when it is over, not at each attempt."""
    collector.statuses += [400, 400, 200]
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    exporter = Outages(OTLPSpanExporter(endpoint=endpoint))
    tracing = Tracing(SimpleSpanProcessor(exporter), version="1", ratio=1.0)
    caplog.set_level(logging.INFO, "daemon")

    for _ in range(4):
        with tracing.request("GET /", {}):
            pass
    tracing.close()

    ours = [one.getMessage() for one in caplog.records if one.name.startswith("daemon")]
    assert ours == [
        "traces can't be exported: LOG_LEVEL=info,opentelemetry=warning tells why",
        "traces can be exported again",
    ]
    assert len(collector.taken) == 4


def test_a_collector_that_does_not_answer_hardly_holds_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Kubernetes kills what takes too long: it ends while the collector is still silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracing = otlp(endpoint, version="1", ratio=1.0, patience=0.1)
        with tracing.request("GET /", {}):
            pass

        tracing.close()

        assert "traces can't be exported" in caplog.text
