"""
What is asked of language models, and what they answer, whole or as a stream. Pure.

Leaves out backends: `csi/inference` talks to them.
"""

from typing import Literal

from daemon.csi.interface.value import Json, Value

FinishReason = Literal["stop", "length", "content-filter", "tool-calls"]
Logprobs = Literal["no", "sampled"] | int
"""None wanted, those of sampled tokens, or the n most likely ones at each position (0 to 255)."""


class Logprob(Value, frozen=True):
    """A token as its bytes (it may be a part of a character) and its log probability."""

    token: bytes
    logprob: float


class Distribution(Value, frozen=True):
    """The sampled token and the most likely ones at one position."""

    sampled: Logprob
    top: list[Logprob] = []


class TokenUsage(Value, frozen=True):
    """Tokens read and written."""

    prompt: int
    completion: int


class CompletionParams(Value, frozen=True):
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


class CompletionRequest(Value, frozen=True):
    """Continue `prompt`."""

    model: str
    prompt: str
    params: CompletionParams = CompletionParams()


class Completion(Value, frozen=True):
    """A finished completion."""

    text: str
    finish_reason: FinishReason
    usage: TokenUsage
    logprobs: list[Distribution] = []


class ToolCall(Value, frozen=True):
    """A model's wish to call a tool; `arguments` is a JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class AssistantMessage(Value, frozen=True, tag="assistant"):
    """What the model said earlier, or says now."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(Value, frozen=True, tag="tool"):
    """The result of a tool call, handed back to the model."""

    content: str
    tool_call_id: str


class OtherMessage(Value, frozen=True, tag="other"):
    """Any other role: system, developer, user. Whether a role is known is the driver's to say."""

    role: str
    content: str


Message = AssistantMessage | ToolMessage | OtherMessage


class Function(Value, frozen=True):
    """A tool that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class NamedTool(Value, frozen=True):
    """The model must call this tool."""

    named: str


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class JsonSchema(Value, frozen=True):
    """The answer must be JSON of this schema."""

    name: str
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None


ResponseFormat = Literal["text", "json-object"] | JsonSchema
ReasoningEffort = Literal["minimal", "low", "medium", "high"]


class ChatParams(Value, frozen=True):
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


class ChatRequest(Value, frozen=True):
    """Answer a conversation."""

    model: str
    messages: list[Message]
    params: ChatParams = ChatParams()


class ChatResponse(Value, frozen=True):
    """The model's answer."""

    message: AssistantMessage
    finish_reason: FinishReason
    usage: TokenUsage
    logprobs: list[Distribution] = []


Granularity = Literal["auto", "word", "sentence", "paragraph"]


class ExplanationRequest(Value, frozen=True):
    """How much does each part of `prompt` speak for `target`?"""

    prompt: str
    target: str
    model: str
    granularity: Granularity = "auto"


class TextScore(Value, frozen=True):
    """The score of `length` characters of the prompt from `start`."""

    start: int
    length: int
    score: float


# Streams: one event type for both kinds, so that one resource serves both ---------------------


class Begin(Value, frozen=True, tag="begin"):
    """A chat message starts."""

    role: str


class Append(Value, frozen=True, tag="append"):
    """A piece of text."""

    text: str
    logprobs: list[Distribution] = []


class ReasoningDelta(Value, frozen=True, tag="reasoning"):
    """A piece of reasoning (chat only)."""

    text: str


class ToolCallChunk(Value, frozen=True):
    """A piece of the tool call at `index`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Value, frozen=True, tag="tool-call"):
    """Pieces of tool calls (chat only)."""

    chunks: list[ToolCallChunk]


class End(Value, frozen=True, tag="end"):
    """The text is complete."""

    finish_reason: FinishReason


class Usage(Value, frozen=True, tag="usage"):
    """What it cost."""

    usage: TokenUsage


InferenceEvent = Begin | Append | ReasoningDelta | ToolCallDelta | End | Usage
