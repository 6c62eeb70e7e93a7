"""
The Cognitive System Interface: all that a Skill may ask of its host, as plain types.

Free of WIT and HTTP: `engine/codec` and `api` translate to these types, the drivers answer them,
and `workers/messages` carries them between processes. Errors are `DaemonError`s of the `CSI_*`
kinds. Field meanings follow the WIT world 0.5; where an older world or API version can't express
a field, its translator decides. JSON values travel as JSON text (`Json`).
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from daemon.names import Namespace

Json = bytes
"""A JSON value as UTF-8 text."""


class _Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that may cross a process boundary."""


# Inference ----------------------------------------------------------------------------------

FinishReason = Literal["stop", "length", "content-filter", "tool-calls"]
Logprobs = Literal["no", "sampled"] | int
"""None wanted, those of sampled tokens, or the n most likely ones at each position (0 to 255)."""


class Logprob(_Value, frozen=True):
    """A token as its bytes (it may be a part of a character) and its log probability."""

    token: bytes
    logprob: float


class Distribution(_Value, frozen=True):
    """The sampled token and the most likely ones at one position."""

    sampled: Logprob
    top: list[Logprob] = []


class TokenUsage(_Value, frozen=True):
    """Tokens read and written."""

    prompt: int
    completion: int


class CompletionParams(_Value, frozen=True):
    """How to complete; None leaves the choice to the backend."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    stop: list[str] = []
    return_special_tokens: bool = False
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: Logprobs = "no"
    echo: bool = False


class CompletionRequest(_Value, frozen=True):
    """Continue `prompt`."""

    model: str
    prompt: str
    params: CompletionParams = CompletionParams()


class Completion(_Value, frozen=True):
    """A finished completion."""

    text: str
    finish_reason: FinishReason
    usage: TokenUsage
    logprobs: list[Distribution] = []


class ToolCall(_Value, frozen=True):
    """A model's wish to call a tool; `arguments` is a JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class AssistantMessage(_Value, frozen=True, tag="assistant"):
    """What the model said earlier, or says now."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(_Value, frozen=True, tag="tool"):
    """The result of a tool call, handed back to the model."""

    content: str
    tool_call_id: str


class OtherMessage(_Value, frozen=True, tag="other"):
    """Any other role: system, developer, user. Whether a role is known is the driver's to say."""

    role: str
    content: str


Message = AssistantMessage | ToolMessage | OtherMessage


class Function(_Value, frozen=True):
    """A tool that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class NamedTool(_Value, frozen=True):
    """The model must call this tool."""

    named: str


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class JsonSchema(_Value, frozen=True):
    """The answer must be JSON of this schema."""

    name: str
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None


ResponseFormat = Literal["text", "json-object"] | JsonSchema
ReasoningEffort = Literal["minimal", "low", "medium", "high"]


class ChatParams(_Value, frozen=True):
    """How to answer; None leaves the choice to the backend."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: Logprobs = "no"
    tools: list[Function] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None


class ChatRequest(_Value, frozen=True):
    """Answer a conversation."""

    model: str
    messages: list[Message]
    params: ChatParams = ChatParams()


class ChatResponse(_Value, frozen=True):
    """The model's answer."""

    message: AssistantMessage
    finish_reason: FinishReason
    usage: TokenUsage
    logprobs: list[Distribution] = []


Granularity = Literal["auto", "word", "sentence", "paragraph"]


class ExplanationRequest(_Value, frozen=True):
    """How much does each part of `prompt` speak for `target`?"""

    prompt: str
    target: str
    model: str
    granularity: Granularity = "auto"


class TextScore(_Value, frozen=True):
    """The score of `length` characters of the prompt from `start`."""

    start: int
    length: int
    score: float


# Streams: one event type for both kinds, so that one resource serves both ---------------------


class Begin(_Value, frozen=True, tag="begin"):
    """A chat message starts."""

    role: str


class Append(_Value, frozen=True, tag="append"):
    """A piece of text."""

    text: str
    logprobs: list[Distribution] = []


class ReasoningDelta(_Value, frozen=True, tag="reasoning"):
    """A piece of reasoning (chat only)."""

    text: str


class ToolCallChunk(_Value, frozen=True):
    """A piece of the tool call at `index`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(_Value, frozen=True, tag="tool-call"):
    """Pieces of tool calls (chat only)."""

    chunks: list[ToolCallChunk]


class End(_Value, frozen=True, tag="end"):
    """The text is complete."""

    finish_reason: FinishReason


class Usage(_Value, frozen=True, tag="usage"):
    """What it cost."""

    usage: TokenUsage


InferenceEvent = Begin | Append | ReasoningDelta | ToolCallDelta | End | Usage


# Search -------------------------------------------------------------------------------------


class IndexPath(_Value, frozen=True):
    """Which index of which collection."""

    namespace: str
    collection: str
    index: str


class DocumentPath(_Value, frozen=True):
    """Which document of which collection."""

    namespace: str
    collection: str
    name: str


class TextCursor(_Value, frozen=True):
    """A place in a document: which item, which character in it. Both inclusive."""

    item: int
    position: int


Comparison = Literal[
    "greater-than",
    "greater-than-or-equal-to",
    "less-than",
    "less-than-or-equal-to",
    "after",
    "at-or-after",
    "before",
    "at-or-before",
    "equal-to",
    "is-null",
]


class MetadataFilter(_Value, frozen=True):
    """
    One condition on one metadata field.

    `value` is a float for the four inequalities, an RFC 3339 text for the four times, str, int
    or bool for `equal-to`, and None for `is-null`.
    """

    field: str
    comparison: Comparison
    value: str | int | float | bool | None = None


class SearchFilter(_Value, frozen=True):
    """A combination of conditions: none of them, one or more, or all."""

    kind: Literal["without", "with-one-of", "with-all"]
    conditions: list[MetadataFilter]


class SearchRequest(_Value, frozen=True):
    """Find the sections nearest to `query`."""

    index_path: IndexPath
    query: str
    max_results: int
    min_score: float | None = None
    filters: list[SearchFilter] = []


class SearchResult(_Value, frozen=True):
    """A section and where it stands."""

    document_path: DocumentPath
    content: str
    score: float
    start: TextCursor
    end: TextCursor


class Document(_Value, frozen=True):
    """A document. Each content is a text, or None for an image (its bytes are not passed on)."""

    path: DocumentPath
    contents: list[str | None]
    metadata: Json | None = None


# Chunking, language ---------------------------------------------------------------------------


class ChunkRequest(_Value, frozen=True):
    """Split `text` into pieces of at most `max_tokens` tokens of `model`."""

    text: str
    model: str
    max_tokens: int
    overlap: int = 0
    character_offsets: bool = False


class Chunk(_Value, frozen=True):
    """A piece of text. `byte_offset` counts UTF-8 bytes; `character_offset` only on request."""

    text: str
    byte_offset: int
    character_offset: int | None = None


class LanguageRequest(_Value, frozen=True):
    """Which of `languages` (ISO 639-3) is `text` written in?"""

    text: str
    languages: list[str]


# Tools ----------------------------------------------------------------------------------------


class ToolArgument(_Value, frozen=True):
    """An argument by name, its value as JSON."""

    name: str
    value: Json


class ToolInvocation(_Value, frozen=True):
    """Call the tool `name`."""

    name: str
    arguments: list[ToolArgument] = []


class ToolOutput(_Value, frozen=True, tag="output"):
    """What a tool answered: texts."""

    texts: list[str]


class ToolError(_Value, frozen=True, tag="error"):
    """Why a tool failed. It is the Skill's to handle."""

    message: str


ToolResult = ToolOutput | ToolError


class Tool(_Value, frozen=True):
    """A tool on offer."""

    name: str
    description: str
    input_schema: Json


# Requests as a guest makes them: one message each, batches kept together -----------------------


class Complete(_Value, frozen=True, tag="complete"):
    """Answered by `Completions`."""

    requests: list[CompletionRequest]


class Chat(_Value, frozen=True, tag="chat"):
    """Answered by `ChatResponses`."""

    requests: list[ChatRequest]


class Explain(_Value, frozen=True, tag="explain"):
    """Answered by `Explanations`."""

    requests: list[ExplanationRequest]


class ChunkTexts(_Value, frozen=True, tag="chunk"):
    """Answered by `Chunks`."""

    requests: list[ChunkRequest]


class SelectLanguage(_Value, frozen=True, tag="select-language"):
    """Answered by `Languages`."""

    requests: list[LanguageRequest]


class Search(_Value, frozen=True, tag="search"):
    """Answered by `SearchResults`."""

    requests: list[SearchRequest]


class Documents(_Value, frozen=True, tag="documents"):
    """Answered by `DocumentsFound`."""

    requests: list[DocumentPath]


class DocumentMetadata(_Value, frozen=True, tag="document-metadata"):
    """Answered by `MetadataFound`."""

    requests: list[DocumentPath]


class InvokeTools(_Value, frozen=True, tag="invoke-tool"):
    """Answered by `ToolResults`."""

    requests: list[ToolInvocation]


class ListTools(_Value, frozen=True, tag="list-tools"):
    """Answered by `ToolList`."""


class OpenCompletionStream(_Value, frozen=True, tag="open-completion-stream"):
    """Answered by `StreamOpened`."""

    request: CompletionRequest


class OpenChatStream(_Value, frozen=True, tag="open-chat-stream"):
    """Answered by `StreamOpened`."""

    request: ChatRequest


class NextEvent(_Value, frozen=True, tag="next-event"):
    """Answered by `StreamNext`."""

    stream: int


class CloseStream(_Value, frozen=True, tag="close-stream"):
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


class Completions(_Value, frozen=True, tag="completions"):
    """In the order of the requests, as are all replies below."""

    items: list[Completion]


class ChatResponses(_Value, frozen=True, tag="chat-responses"):
    """To `Chat`."""

    items: list[ChatResponse]


class Explanations(_Value, frozen=True, tag="explanations"):
    """To `Explain`."""

    items: list[list[TextScore]]


class Chunks(_Value, frozen=True, tag="chunks"):
    """To `ChunkTexts`."""

    items: list[list[Chunk]]


class Languages(_Value, frozen=True, tag="languages"):
    """To `SelectLanguage`; None where undecided."""

    items: list[str | None]


class SearchResults(_Value, frozen=True, tag="search-results"):
    """To `Search`."""

    items: list[list[SearchResult]]


class DocumentsFound(_Value, frozen=True, tag="documents-found"):
    """To `Documents`."""

    items: list[Document]


class MetadataFound(_Value, frozen=True, tag="metadata-found"):
    """To `DocumentMetadata`; None where a document has none."""

    items: list[Json | None]


class ToolResults(_Value, frozen=True, tag="tool-results"):
    """To `InvokeTools`."""

    items: list[ToolResult]


class ToolList(_Value, frozen=True, tag="tool-list"):
    """To `ListTools`, sorted by name."""

    items: list[Tool]


class StreamOpened(_Value, frozen=True, tag="stream-opened"):
    """A stream of this invocation, by its number."""

    stream: int


class StreamNext(_Value, frozen=True, tag="stream-next"):
    """The next event; None when the stream has ended."""

    event: InferenceEvent | None = None


class StreamClosed(_Value, frozen=True, tag="stream-closed"):
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


# Ports ----------------------------------------------------------------------------------------


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

    async def select_language(self, request: LanguageRequest) -> str | None:
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
