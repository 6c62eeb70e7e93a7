"""
Counts what is asked of the drivers, whoever asks: guests, chat Skills, HTTP.

Each request of a batch counts. Leaves out what becomes of the numbers (`observability/metrics`).
"""

from collections.abc import AsyncGenerator, Callable, Sequence

from daemon.csi import interface as csi

Count = Callable[[str], None]
"""Hears the name of a function, once per request."""


def counted(drivers: csi.Drivers, count: Count) -> csi.Drivers:
    """The same drivers; *count* hears of each request before they do."""
    return csi.Drivers(
        inference=_Inference(drivers.inference, count),
        document_index=_DocumentIndex(drivers.document_index, count),
        chunking=_Chunking(drivers.chunking, count),
        language=_Language(drivers.language, count),
        tools=_Tools(drivers.tools, count),
    )


class _Inference:
    def __init__(self, inner: csi.Inference, count: Count) -> None:
        self._inner, self._count = inner, count

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        self._count("complete")
        return await self._inner.complete(request, caller)

    def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        self._count("completion_stream")
        return self._inner.completion_stream(request, caller)

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        self._count("chat")
        return await self._inner.chat(request, caller)

    def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        self._count("chat_stream")
        return self._inner.chat_stream(request, caller)

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        self._count("explain")
        return await self._inner.explain(request, caller)


class _DocumentIndex:
    def __init__(self, inner: csi.DocumentIndex, count: Count) -> None:
        self._inner, self._count = inner, count

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        self._count("search")
        return await self._inner.search(request, caller)

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        self._count("documents")
        return await self._inner.document(path, caller)

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        self._count("document_metadata")
        return await self._inner.metadata(path, caller)


class _Chunking:
    def __init__(self, inner: csi.Chunking, count: Count) -> None:
        self._inner, self._count = inner, count

    async def chunk(self, request: csi.ChunkRequest, caller: csi.Caller) -> list[csi.Chunk]:
        self._count("chunk")
        return await self._inner.chunk(request, caller)


class _Language:
    def __init__(self, inner: csi.LanguageDetection, count: Count) -> None:
        self._inner, self._count = inner, count

    async def select_language(self, request: csi.LanguageRequest) -> str | None:
        self._count("select_language")
        return await self._inner.select_language(request)


class _Tools:
    def __init__(self, inner: csi.Tools, count: Count) -> None:
        self._inner, self._count = inner, count

    async def invoke(self, request: csi.ToolInvocation, caller: csi.Caller) -> csi.ToolResult:
        self._count("invoke_tool")
        return await self._inner.invoke(request, caller)

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        self._count("list_tools")
        return await self._inner.list(caller)
