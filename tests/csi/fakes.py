"""Drivers that answer from a script."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from daemon.csi import interface as csi
from daemon.csi.tools import NativeTools, Toolbox
from daemon.csi.unconfigured import UnconfiguredInference
from daemon.errors import DaemonError


class ScriptedInference:
    """Says its events, echoes prompts, and fails with an error if it is given one."""

    def __init__(
        self, *events: csi.InferenceEvent, error: DaemonError | None = None, hang: bool = False
    ) -> None:
        self.events = events
        self.error = error
        self.hang = hang
        self.chats: list[csi.ChatRequest] = []
        self.callers: list[csi.Caller] = []
        self.open = 0
        self.running = 0
        self.most = 0

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        """See csi.Inference."""
        self.callers.append(caller)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if request.prompt == "fail" and self.error is not None:
                raise self.error
            if self.hang:
                await asyncio.Event().wait()
            return csi.Completion(request.prompt, "stop", csi.TokenUsage(1, 1))
        finally:
            self.running -= 1

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        """See csi.Inference."""
        message = csi.AssistantMessage(content=request.model)
        return csi.ChatResponse(message, "stop", csi.TokenUsage(1, 1))

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        """See csi.Inference."""
        return [csi.TextScore(0, len(request.prompt), 1.0)]

    async def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See csi.Inference."""
        async for event in self._say():
            yield event

    async def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See csi.Inference."""
        self.chats.append(request)
        self.callers.append(caller)
        self.open += 1
        try:
            for event in self.events:
                yield event
            if self.error is not None:
                raise self.error
            if self.hang:
                await asyncio.Event().wait()
        finally:
            self.open -= 1

    async def _say(self) -> AsyncGenerator[csi.InferenceEvent, None]:
        for event in self.events:
            yield event


class Library:
    """A Document Index with one document for every path."""

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        """See csi.DocumentIndex."""
        return []

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        """See csi.DocumentIndex."""
        return csi.Document(path, ["text", None])

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        """See csi.DocumentIndex."""
        return b"{}"


class SlowTools:
    """Tools that answer with their names; those of the *slow* names wait for `release`."""

    def __init__(self, *slow: str) -> None:
        self.slow = slow
        self.release = asyncio.Event()

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        """See csi.Tools."""
        return []

    async def invoke(self, request: csi.ToolInvocation, caller: csi.Caller) -> csi.ToolResult:
        """See csi.Tools."""
        if request.name in self.slow:
            await self.release.wait()
        return csi.ToolOutput([request.name])


class Words:
    """Chunks are words, and every text is English."""

    async def chunk(self, request: csi.ChunkRequest, caller: csi.Caller) -> list[csi.Chunk]:
        """See csi.Chunking."""
        return [csi.Chunk(word, 0) for word in request.text.split()]

    async def select_language(self, request: csi.LanguageRequest, caller: csi.Caller) -> str | None:
        """See csi.LanguageDetection."""
        return "eng"


def drivers(inference: csi.Inference | None = None, *, native: Sequence[str] = ()) -> csi.Drivers:
    """A full set; every namespace enables the *native* tools."""
    return csi.Drivers(
        tools=Toolbox(NativeTools(lambda _: native)),
        inference=inference or UnconfiguredInference(),
        document_index=Library(),
        chunking=Words(),
        language=Words(),
    )
