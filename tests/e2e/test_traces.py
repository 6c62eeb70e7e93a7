"""Traces of a whole daemon, as a collector gets them and as backends are told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import openai_stub
from tests.e2e.background import in_background
from tests.e2e.harness import Daemon, running
from tests.inference_stub import StubBackend, serve

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "Authorization": "Bearer hush"}


class Collector:
    """Takes spans in by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """Keep them all."""
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response()

    def chain(self, name: str) -> list[str]:
        """The names from the outermost span down to that of *name*."""
        by_id = {span.span_id: span for span in self.spans}
        (span,) = (one for one in self.spans if one.name == name)
        names = [span.name]
        while span.parent_span_id in by_id:
            span = by_id[span.parent_span_id]
            names.insert(0, span.name)
        assert span.parent_span_id.hex() == PARENT
        assert span.trace_id.hex() == TRACE
        return names


@asynccontextmanager
async def _backends(collector: Collector, stub: StubBackend) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as listening, serve(stub, openai_stub.routes(stub)):
        collector.url = str(listening.make_url("/"))
        yield


def _post(daemon: Daemon, path: str, body: Any) -> None:
    answer = daemon.request("POST", path, body, headers=HEADERS)
    assert answer.status == 200, answer.body


@pytest.mark.timeout(120)
def test_a_trace_reaches_from_the_caller_to_the_backend(tmp_path: Path) -> None:
    """Through the request, the Skill, and what it asks; the last spans are sent on shutdown."""
    collector, stub = Collector(), StubBackend(models=None)
    with in_background(_backends(collector, stub)):
        settings = {
            "OTEL_ENDPOINT": collector.url,
            "OTEL_SAMPLING_RATIO": "0",
            "OPENAI_INFERENCE__URL": stub.url,
            "OPENAI_INFERENCE__TOKEN": "hush",
        }
        with running(tmp_path, **settings) as daemon:
            _post(daemon, "/v1/skills/test-beta/tell_me_a_joke/message-stream", {})
            listing = {"namespace": "test-beta"}
            _post(daemon, "/csi/v1/list_tools", listing)

    stream = "POST /v1/skills/{namespace}/{name}/message-stream"
    assert collector.chain("chat") == [stream, "skill_execution", "chat"]
    assert collector.chain("list_tools") == ["POST /csi/v1/list_tools", "list_tools"]
    (chat,) = (span for span in collector.spans if span.name == "chat")
    told = stub.seen[0].headers["traceparent"]
    assert told == f"00-{TRACE}-{chat.span_id.hex()}-01"
    assert "hush" not in str(collector.spans)
    assert "joke!" not in str(collector.spans)
