"""
One Protocol per capability, and on whose behalf it is used. Pure.

A backend that is not configured is a driver that says so: nobody asks whether one is there.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from daemon.csi.interface.inference import (
    ChatRequest,
    ChatResponse,
    Completion,
    CompletionRequest,
    ExplanationRequest,
    InferenceEvent,
    TextScore,
)
from daemon.csi.interface.search import Document, DocumentPath, SearchRequest, SearchResult
from daemon.csi.interface.texts import Chunk, ChunkRequest, LanguageRequest
from daemon.csi.interface.tools import Tool, ToolInvocation, ToolResult
from daemon.csi.interface.value import Json
from daemon.names import Namespace


@dataclass(frozen=True, slots=True)
class Caller:
    """
    On whose behalf a request is made.

    `token` is the caller's bearer token, for backends that take it. `deadline` is a time of the
    event loop's clock, None for no limit. `trace` holds W3C trace headers to pass on.
    """

    namespace: Namespace | None = None
    token: str | None = field(default=None, repr=False)
    deadline: float | None = None
    trace: tuple[tuple[str, str], ...] = ()


class Inference(Protocol):
    """Large language models."""

    async def complete(self, request: CompletionRequest, caller: Caller) -> Completion:
        """Continue a text."""
        ...

    def completion_stream(
        self, request: CompletionRequest, caller: Caller
    ) -> AsyncGenerator[InferenceEvent, None]:
        """Continue a text piece by piece. Closing the generator ends the upstream request."""
        ...

    async def chat(self, request: ChatRequest, caller: Caller) -> ChatResponse:
        """Answer a conversation."""
        ...

    def chat_stream(
        self, request: ChatRequest, caller: Caller
    ) -> AsyncGenerator[InferenceEvent, None]:
        """Answer piece by piece. Closing the generator ends the upstream request."""
        ...

    async def explain(self, request: ExplanationRequest, caller: Caller) -> list[TextScore]:
        """Attribute a target to the parts of a prompt."""
        ...


class DocumentIndex(Protocol):
    """Search over collections of documents."""

    async def search(self, request: SearchRequest, caller: Caller) -> list[SearchResult]:
        """Find sections."""
        ...

    async def document(self, path: DocumentPath, caller: Caller) -> Document:
        """Fetch a document with its metadata."""
        ...

    async def metadata(self, path: DocumentPath, caller: Caller) -> Json | None:
        """Fetch a document's metadata only."""
        ...


class Chunking(Protocol):
    """Splitting texts."""

    async def chunk(self, request: ChunkRequest, caller: Caller) -> list[Chunk]:
        """Split one text."""
        ...


class LanguageDetection(Protocol):
    """Telling languages apart."""

    async def select_language(self, request: LanguageRequest, caller: Caller) -> str | None:
        """Return the code of the language, None if undecided."""
        ...


class Tools(Protocol):
    """The tools of the caller's namespace, native and MCP."""

    async def invoke(self, request: ToolInvocation, caller: Caller) -> ToolResult:
        """Call one tool. Never raises for what the tool or its server did."""
        ...

    async def list(self, caller: Caller) -> Sequence[Tool]:
        """All tools of the caller's namespace, sorted by name."""
        ...


@dataclass(frozen=True, slots=True)
class Drivers:
    """The set of drivers; one that is not configured is a driver that says so."""

    inference: Inference
    document_index: DocumentIndex
    chunking: Chunking
    language: LanguageDetection
    tools: Tools
