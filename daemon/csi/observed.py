"""
Counts, times and traces what is asked of the drivers, whoever asks: guests, chat Skills, HTTP.

Each request of a batch is one of its own. Spans hold names, sizes and parameters; never prompts,
answers, tool arguments or tokens. Leaves out where the numbers and spans go (`observability`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.observability.metrics import Metrics
from daemon.observability.tracing import Attributes, HostCall, Tracing

_OK, _CANCELLED = "ok", "cancelled"

_Generates = csi.CompletionRequest | csi.ChatRequest


def observed(drivers: csi.Drivers, metrics: Metrics, tracing: Tracing | None) -> csi.Drivers:
    """The same drivers; each request of them is seen, and told to backends as their parent."""
    observer = _Observer(metrics, tracing)
    return csi.Drivers(
        inference=_Inference(drivers.inference, observer),
        document_index=_DocumentIndex(drivers.document_index, observer),
        chunking=_Chunking(drivers.chunking, observer),
        language=_Language(drivers.language, observer),
        tools=_Tools(drivers.tools, observer),
    )


class _Call:
    """One request under way: on whose behalf, and what is learnt of it."""

    def __init__(self, caller: csi.Caller, span: HostCall | None) -> None:
        self.caller = caller
        self.outcome = _OK
        self._span = span

    def note(self, attributes: Attributes) -> None:
        """Add to the span."""
        if self._span is not None:
            self._span.note(attributes)


class _Observer:
    """What all drivers share."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None) -> None:
        self.metrics = metrics
        self._tracing = tracing

    @contextmanager
    def call(
        self, function: str, caller: csi.Caller, attributes: Attributes, *, span: str | None = None
    ) -> Iterator[_Call]:
        """Count a request and see it to its end; *span* is its name in traces, if another."""
        self.metrics.csi_request(function)
        with self.rest(function, caller, attributes, span=span) as call:
            yield call

    @contextmanager
    def rest(
        self, function: str, caller: csi.Caller, attributes: Attributes, *, span: str | None = None
    ) -> Iterator[_Call]:
        """The same for a request that was counted already."""
        started = time.perf_counter()
        outcome: str = ErrorKind.INTERNAL.value  # a bug, unless something else turns out
        with self._traced(span or function, caller, attributes) as call:
            try:
                yield call
                outcome = call.outcome
            except DaemonError as error:
                outcome = error.kind.value
                raise
            except (asyncio.CancelledError, GeneratorExit):
                outcome = _CANCELLED
                raise
            finally:
                call.outcome = outcome
                seconds = time.perf_counter() - started
                self.metrics.csi_answered(function, outcome, seconds=seconds)

    @contextmanager
    def _traced(self, name: str, caller: csi.Caller, attributes: Attributes) -> Iterator[_Call]:
        if self._tracing is None:
            yield _Call(caller, None)
            return
        with self._tracing.host_call(name, caller.trace, attributes) as span:
            call = _Call(replace(caller, trace=span.headers), span)
            try:
                yield call
            finally:
                if call.outcome not in {_OK, _CANCELLED}:
                    span.fail(call.outcome)


class _Inference:
    def __init__(self, inner: csi.Inference, observer: _Observer) -> None:
        self._inner, self._observer = inner, observer

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        told = _generation("text_completion", request)
        with self._observer.call("complete", caller, told, span="text_completion") as call:
            answer = await self._inner.complete(request, call.caller)
            call.note(_usage(answer.usage) | _finish(answer.finish_reason))
            return answer

    def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        self._observer.metrics.csi_request("completion_stream")
        return self._stream("completion_stream", request, caller)

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        with self._observer.call("chat", caller, _generation("chat", request)) as call:
            answer = await self._inner.chat(request, call.caller)
            call.note(_usage(answer.usage) | _finish(answer.finish_reason))
            return answer

    def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        self._observer.metrics.csi_request("chat_stream")
        return self._stream("chat_stream", request, caller)

    async def _stream(
        self, function: str, request: _Generates, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        name = "chat" if isinstance(request, csi.ChatRequest) else "text_completion"
        with self._observer.rest(function, caller, _generation(name, request), span=name) as call:
            async with aclosing(self._open(request, call.caller)) as events:
                async for event in events:
                    match event:
                        case csi.Usage(usage):
                            call.note(_usage(usage))
                        case csi.End(reason):
                            call.note(_finish(reason))
                    yield event

    def _open(
        self, request: _Generates, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        if isinstance(request, csi.ChatRequest):
            return self._inner.chat_stream(request, caller)
        return self._inner.completion_stream(request, caller)

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        told = {"gen_ai.request.model": request.model}
        with self._observer.call("explain", caller, told) as call:
            return await self._inner.explain(request, call.caller)


def _generation(operation: str, request: _Generates) -> Attributes:
    """In the words of OpenTelemetry's conventions for generative AI."""
    params = request.params
    limits = {
        name: getattr(params, name)
        for name in (
            "max_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty"
        )
        if getattr(params, name) is not None
    }  # fmt: skip
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": request.model,
        **{f"gen_ai.request.{name}": value for name, value in limits.items()},
    }


def _usage(usage: csi.TokenUsage) -> dict[str, str | int]:
    return {
        "gen_ai.usage.input_tokens": usage.prompt,
        "gen_ai.usage.output_tokens": usage.completion,
    }


def _finish(reason: csi.FinishReason) -> dict[str, str | int]:
    return {"gen_ai.response.finish_reason": reason}


class _DocumentIndex:
    def __init__(self, inner: csi.DocumentIndex, observer: _Observer) -> None:
        self._inner, self._observer = inner, observer

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        at = request.index_path
        told: Attributes = {
            "namespace": at.namespace,
            "collection": at.collection,
            "index": at.index,
            "max_results": request.max_results,
        }
        with self._observer.call("search", caller, told) as call:
            return await self._inner.search(request, call.caller)

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        with self._observer.call("documents", caller, _place(path), span="document") as call:
            return await self._inner.document(path, call.caller)

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        with self._observer.call("document_metadata", caller, _place(path)) as call:
            return await self._inner.metadata(path, call.caller)


def _place(path: csi.DocumentPath) -> Attributes:
    return {"namespace": path.namespace, "collection": path.collection, "name": path.name}


class _Chunking:
    def __init__(self, inner: csi.Chunking, observer: _Observer) -> None:
        self._inner, self._observer = inner, observer

    async def chunk(self, request: csi.ChunkRequest, caller: csi.Caller) -> list[csi.Chunk]:
        told: Attributes = {
            "model": request.model,
            "text_len": len(request.text),
            "max_tokens": request.max_tokens,
        }
        with self._observer.call("chunk", caller, told) as call:
            return await self._inner.chunk(request, call.caller)


class _Language:
    def __init__(self, inner: csi.LanguageDetection, observer: _Observer) -> None:
        self._inner, self._observer = inner, observer

    async def select_language(self, request: csi.LanguageRequest, caller: csi.Caller) -> str | None:
        told = {"text_len": len(request.text), "languages": len(request.languages)}
        with self._observer.call("select_language", caller, told) as call:
            return await self._inner.select_language(request, call.caller)


class _Tools:
    def __init__(self, inner: csi.Tools, observer: _Observer) -> None:
        self._inner, self._observer = inner, observer

    async def invoke(self, request: csi.ToolInvocation, caller: csi.Caller) -> csi.ToolResult:
        with self._observer.call("invoke_tool", caller, {"tool_name": request.name}) as call:
            result = await self._inner.invoke(request, call.caller)
            if isinstance(result, csi.ToolError):
                call.outcome = "tool-failed"
            return result

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        with self._observer.call("list_tools", caller, _namespace(caller)) as call:
            return await self._inner.list(call.caller)


def _namespace(caller: csi.Caller) -> Attributes:
    return {"namespace": str(caller.namespace)} if caller.namespace is not None else {}
