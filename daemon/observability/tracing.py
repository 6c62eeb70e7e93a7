"""
Traces: few spans, sampled by the caller's word, exported as OTLP over HTTP; nothing when off.

The reference's span names are kept. Leaves out passing a caller's trace headers on when tracing
is off: the API does that without any span.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.propagators.textmap import default_getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Headers = tuple[tuple[str, str], ...]
Attributes = Mapping[str, str | int | float]

_log = logging.getLogger(__name__)

_PROPAGATOR = TraceContextTextMapPropagator()


class HostCall:
    """The span of one request to a driver. Not the current span: a stream outlives its steps."""

    def __init__(self, span: Span, headers: Headers) -> None:
        self._span = span
        self.headers = headers
        """What names this span to a backend, beside what the caller sent on."""

    def note(self, attributes: Attributes) -> None:
        """Say more of it; *attributes* hold no secrets and no prompts."""
        self._span.set_attributes(attributes)

    def fail(self, code: str) -> None:
        """Mark it as failed, with an error's *code*: texts may quote what was asked."""
        self._span.set_attribute("error.type", code)
        failed(self._span, code)


class Tracing:
    """Makes spans, on a provider of its own. Owned by `app`, which closes it."""

    def __init__(self, processor: SpanProcessor, *, version: str, ratio: float) -> None:
        """Sample *ratio* (0 to 1) of the traces that begin here; others as their parent says."""
        resource = Resource.create({"service.name": "skilld", "service.version": version})
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBasedTraceIdRatio(ratio), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("skilld", version)

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A span for a request that came in, below the caller's where its headers name one."""
        context = _PROPAGATOR.extract(dict(headers), getter=default_getter)
        with self._tracer.start_as_current_span(
            name, context, SpanKind.SERVER, record_exception=False
        ) as span:
            yield span

    @contextmanager
    def step(self, name: str, attributes: Mapping[str, str] | None = None) -> Iterator[Span]:
        """A span below the current one; an exception marks it as failed and passes through."""
        with self._tracer.start_as_current_span(
            name, attributes=dict(attributes or {}), record_exception=False
        ) as span:
            yield span

    @contextmanager
    def host_call(self, name: str, trace: Headers, attributes: Attributes) -> Iterator[HostCall]:
        """A span below the one that the headers *trace* name."""
        context = _PROPAGATOR.extract(dict(trace), getter=default_getter)
        span = self._tracer.start_span(name, context, SpanKind.CLIENT, attributes=attributes)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span))
        others = tuple(one for one in trace if one[0] not in _PROPAGATOR.fields)
        try:
            yield HostCall(span, (*carrier.items(), *others))
        finally:
            span.end()

    def close(self) -> None:
        """Export what is left; blocks for some seconds where the collector does not answer."""
        self._provider.shutdown()


class Outages(SpanExporter):
    """
    Logs an outage of the collector behind *inner* when it begins and when it is over.

    Spans of that time are lost. Owned by its processor, whose thread alone exports.
    """

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass them on."""
        result = self._inner.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            _log.error("traces can't be exported: LOG_LEVEL=info,opentelemetry=warning tells why")
        elif self._failing and not failing:
            _log.info("traces can be exported again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        """End what is under way."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held here."""
        return self._inner.force_flush(timeout_millis)


def otlp(endpoint: str, *, version: str, ratio: float, patience: float = 3.0) -> Tracing:
    """
    Export to an OTLP/HTTP collector at *endpoint*, for example `http://collector:4318`.

    *patience* (seconds) bounds one export, retries included: the last one holds up the shutdown.
    """
    # Imported here because it costs every start a tenth of its time, and few export.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    url = (
        endpoint
        if endpoint.rstrip("/").endswith("/v1/traces")
        else f"{endpoint.rstrip('/')}/v1/traces"
    )
    exporter = Outages(OTLPSpanExporter(endpoint=url, timeout=patience))
    return Tracing(BatchSpanProcessor(exporter), version=version, ratio=ratio)


def outgoing() -> Headers:
    """The trace headers that name the current span to a backend; none outside of spans."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return tuple(carrier.items())


def failed(span: Span, description: str) -> None:
    """Mark a span as failed; *description* holds no secrets."""
    span.set_status(Status(StatusCode.ERROR, description))
