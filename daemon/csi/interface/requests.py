"""
Requests as a guest makes them, one message each, and the replies to them. Pure.

Batches are kept together. `workers/messages` carries them; `csi/context` answers them.
"""

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
from daemon.csi.interface.value import Json, Value


class Complete(Value, frozen=True, tag="complete"):
    """Answered by `Completions`."""

    requests: list[CompletionRequest]


class Chat(Value, frozen=True, tag="chat"):
    """Answered by `ChatResponses`."""

    requests: list[ChatRequest]


class Explain(Value, frozen=True, tag="explain"):
    """Answered by `Explanations`."""

    requests: list[ExplanationRequest]


class ChunkTexts(Value, frozen=True, tag="chunk"):
    """Answered by `Chunks`."""

    requests: list[ChunkRequest]


class SelectLanguage(Value, frozen=True, tag="select-language"):
    """Answered by `Languages`."""

    requests: list[LanguageRequest]


class Search(Value, frozen=True, tag="search"):
    """Answered by `SearchResults`."""

    requests: list[SearchRequest]


class Documents(Value, frozen=True, tag="documents"):
    """Answered by `DocumentsFound`."""

    requests: list[DocumentPath]


class DocumentMetadata(Value, frozen=True, tag="document-metadata"):
    """Answered by `MetadataFound`."""

    requests: list[DocumentPath]


class InvokeTools(Value, frozen=True, tag="invoke-tool"):
    """Answered by `ToolResults`."""

    requests: list[ToolInvocation]


class ListTools(Value, frozen=True, tag="list-tools"):
    """Answered by `ToolList`."""


class OpenCompletionStream(Value, frozen=True, tag="open-completion-stream"):
    """Answered by `StreamOpened`."""

    request: CompletionRequest


class OpenChatStream(Value, frozen=True, tag="open-chat-stream"):
    """Answered by `StreamOpened`."""

    request: ChatRequest


class NextEvent(Value, frozen=True, tag="next-event"):
    """Answered by `StreamNext`."""

    stream: int


class CloseStream(Value, frozen=True, tag="close-stream"):
    """Answered by `StreamClosed`. Closing twice, or a stream that ended, is fine."""

    stream: int


Request = (
    Complete
    | Chat
    | Explain
    | ChunkTexts
    | SelectLanguage
    | Search
    | Documents
    | DocumentMetadata
    | InvokeTools
    | ListTools
    | OpenCompletionStream
    | OpenChatStream
    | NextEvent
    | CloseStream
)


class Completions(Value, frozen=True, tag="completions"):
    """In the order of the requests, as are all replies below."""

    items: list[Completion]


class ChatResponses(Value, frozen=True, tag="chat-responses"):
    """To `Chat`."""

    items: list[ChatResponse]


class Explanations(Value, frozen=True, tag="explanations"):
    """To `Explain`."""

    items: list[list[TextScore]]


class Chunks(Value, frozen=True, tag="chunks"):
    """To `ChunkTexts`."""

    items: list[list[Chunk]]


class Languages(Value, frozen=True, tag="languages"):
    """To `SelectLanguage`; None where undecided."""

    items: list[str | None]


class SearchResults(Value, frozen=True, tag="search-results"):
    """To `Search`."""

    items: list[list[SearchResult]]


class DocumentsFound(Value, frozen=True, tag="documents-found"):
    """To `Documents`."""

    items: list[Document]


class MetadataFound(Value, frozen=True, tag="metadata-found"):
    """To `DocumentMetadata`; None where a document has none."""

    items: list[Json | None]


class ToolResults(Value, frozen=True, tag="tool-results"):
    """To `InvokeTools`."""

    items: list[ToolResult]


class ToolList(Value, frozen=True, tag="tool-list"):
    """To `ListTools`, sorted by name."""

    items: list[Tool]


class StreamOpened(Value, frozen=True, tag="stream-opened"):
    """A stream of this invocation, by its number."""

    stream: int


class StreamNext(Value, frozen=True, tag="stream-next"):
    """The next event; None when the stream has ended."""

    event: InferenceEvent | None = None


class StreamClosed(Value, frozen=True, tag="stream-closed"):
    """To `CloseStream`."""


Reply = (
    Completions
    | ChatResponses
    | Explanations
    | Chunks
    | Languages
    | SearchResults
    | DocumentsFound
    | MetadataFound
    | ToolResults
    | ToolList
    | StreamOpened
    | StreamNext
    | StreamClosed
)
