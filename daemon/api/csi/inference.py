"""
How completions, chats and explanations look over HTTP, in both directions.

Shapes are requests as JSON; `request()` says the same to the drivers. What a caller may send in two
ways (the contract's and that of the public SDK) is taken in both. Leaves out streams (`events`).
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from daemon.api.csi.body import U8, Shape, check, json
from daemon.csi import interface as csi
from daemon.csi.interface.value import U32
from daemon.errors import DaemonError, ErrorKind

Json = dict[str, Any]


class Top(Shape, frozen=True):
    """The n most likely tokens."""

    top: U8


Logprobs = Literal["no", "sampled"] | Top


def _logprobs(wanted: Logprobs) -> csi.Logprobs:
    return wanted.top if isinstance(wanted, Top) else wanted


# Completions --------------------------------------------------------------------------------


class CompletionParams03(Shape, frozen=True, kw_only=True):
    """As in version 0.3 of the legacy interface."""

    return_special_tokens: bool
    max_tokens: U32 | None = None
    temperature: float | None = None
    top_k: U32 | None = None
    top_p: float | None = None
    stop: list[str]
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: Logprobs

    def params(self) -> csi.CompletionParams:
        """The same to the drivers."""
        given = msgspec.structs.asdict(self)
        return csi.CompletionParams(**(given | {"logprobs": _logprobs(self.logprobs)}))


class CompletionParams(CompletionParams03, frozen=True, kw_only=True):
    """Today's."""

    echo: bool = False


class Completion03(Shape, frozen=True):
    """As in version 0.3 of the legacy interface."""

    prompt: str
    model: str
    params: CompletionParams03

    def request(self) -> csi.CompletionRequest:
        """The same to the drivers."""
        return csi.CompletionRequest(self.model, self.prompt, self.params.params())


class Completion(Completion03, frozen=True):
    """Today's."""

    params: CompletionParams


def completion(_: object, done: csi.Completion) -> Json:
    """The answer to a completion request."""
    return {
        "text": done.text,
        "finish_reason": finish_reason(done.finish_reason),
        "logprobs": distributions(done.logprobs),
        "usage": usage(done.usage),
    }


def finish_reason(reason: csi.FinishReason) -> str:
    """In JSON's spelling."""
    return reason.replace("-", "_")


def distributions(found: list[csi.Distribution]) -> list[Json]:
    """Tokens are lists of byte values: a token may be a part of a character."""
    return [
        {"sampled": _logprob(one.sampled), "top": [_logprob(top) for top in one.top]}
        for one in found
    ]


def _logprob(one: csi.Logprob) -> Json:
    return {"token": list(one.token), "logprob": one.logprob}


def usage(tokens: csi.TokenUsage) -> Json:
    """Tokens read and written."""
    return {"prompt": tokens.prompt, "completion": tokens.completion}


# Chat ---------------------------------------------------------------------------------------


class ToolCall(Shape, frozen=True):
    """A model's wish of an earlier turn."""

    id: str
    name: str
    arguments: str


class Message(Shape, frozen=True):
    """A message of any role. `reasoning_content`, which the SDK sends, is ignored."""

    role: str
    content: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None

    def __post_init__(self) -> None:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"A message of the role {self.role!r} needs `content`")

    def message(self) -> csi.Message:
        """The same to the drivers; they say which other roles there are."""
        if self.role == "assistant":
            return csi.AssistantMessage(self.content, tool_calls=self._tool_calls())
        content = self.content or ""
        if self.role == "tool":
            return csi.ToolMessage(content, self.tool_call_id or "")
        return csi.OtherMessage(self.role, content)

    def _tool_calls(self) -> list[csi.ToolCall] | None:
        if self.tool_calls is None:
            return None
        return [csi.ToolCall(one.id, one.name, one.arguments) for one in self.tool_calls]


class Tool(Shape, frozen=True):
    """A tool that the model may call."""

    name: str
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None

    def __post_init__(self) -> None:
        check(self.parameters)

    def function(self) -> csi.Function:
        """The same to the drivers."""
        return csi.Function(self.name, self.description, json(self.parameters), self.strict)


class NamedTool(Shape, frozen=True):
    """The one tool to call: `{"named": …}`, or the SDK's `{"name": …}`."""

    named: str | UnsetType = UNSET
    name: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.named is UNSET and self.name is UNSET:
            raise ValueError("A tool choice is 'auto', 'required', 'none' or {\"named\": a tool}")

    def choice(self) -> csi.NamedTool:
        """The same to the drivers."""
        return csi.NamedTool(str(self.name if self.named is UNSET else self.named))


class JsonSchema(Shape, frozen=True):
    """What the answer must look like."""

    name: str
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None

    def __post_init__(self) -> None:
        check(self.schema)


class AnswerSchema(Shape, frozen=True):
    """`{"json_schema": {…}}`, or the schema's members themselves, as the SDK sends them."""

    json_schema: JsonSchema | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None

    def __post_init__(self) -> None:
        if self.json_schema is UNSET and self.name is UNSET:
            raise ValueError(
                "A response format is 'text', 'json_object' or "
                '{"json_schema": {"name": …, "schema": …}}'
            )
        check(self.schema)

    def format(self) -> csi.JsonSchema:
        """The same to the drivers."""
        told = self.json_schema if isinstance(self.json_schema, JsonSchema) else self
        return csi.JsonSchema(str(told.name), told.description, json(told.schema), told.strict)


class ChatParams03(Shape, frozen=True, kw_only=True):
    """As in version 0.3 of the legacy interface."""

    max_tokens: U32 | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: Logprobs

    def params(self) -> csi.ChatParams:
        """The same to the drivers."""
        given = msgspec.structs.asdict(self)
        return csi.ChatParams(**(given | {"logprobs": _logprobs(self.logprobs)}))


class ChatParams(ChatParams03, frozen=True, kw_only=True):
    """Today's."""

    max_completion_tokens: U32 | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: Literal["text", "json_object"] | AnswerSchema | None = None
    reasoning_effort: csi.ReasoningEffort | None = None

    def params(self) -> csi.ChatParams:
        """The same to the drivers."""
        given = msgspec.structs.asdict(self)
        return csi.ChatParams(**(given | {"logprobs": _logprobs(self.logprobs)} | self._choices()))

    def _choices(self) -> Json:
        tools, choice = self.tools, self.tool_choice
        return {
            "tools": None if tools is None else [one.function() for one in tools],
            "tool_choice": choice.choice() if isinstance(choice, NamedTool) else choice,
            "response_format": _format(self.response_format),
        }


def _format(wanted: str | AnswerSchema | None) -> str | csi.JsonSchema | None:
    if isinstance(wanted, AnswerSchema):
        return wanted.format()
    return "json-object" if wanted == "json_object" else wanted


class Chat(Shape, frozen=True):
    """A conversation to answer."""

    model: str
    messages: list[Message]
    params: ChatParams

    def request(self) -> csi.ChatRequest:
        """The same to the drivers."""
        messages = [one.message() for one in self.messages]
        return csi.ChatRequest(self.model, messages, self.params.params())


def chat_v1(request: Chat, response: csi.ChatResponse) -> Json:
    """Without reasoning, which this version can't express. Raises DaemonError; see `spoken`."""
    if not request.params.tools:
        spoken(response)
    return _response(response, _message(response.message))


def chat_v2(_: Chat, response: csi.ChatResponse) -> Json:
    """With the model's reasoning beside its answer."""
    told = _message(response.message)
    head = {name: told.pop(name) for name in ("role", "content")}
    reasoning = {"reasoning_content": response.message.reasoning_content}
    return _response(response, head | reasoning | told)


def spoken(response: csi.ChatResponse) -> str:
    """What was said; raises DaemonError where the model called a tool that nobody offered it."""
    if response.finish_reason == "tool-calls":
        raise unexpected_tool_call()
    if response.message.content is None:
        raise DaemonError(
            ErrorKind.CSI_UPSTREAM,
            "The model answered without content (it may have spent all tokens on reasoning): "
            "allow more tokens, or use /csi/v2/chat.",
        )
    return response.message.content


def unexpected_tool_call() -> DaemonError:
    """The request offered no tools."""
    return DaemonError(
        ErrorKind.CSI_UPSTREAM, "The model called a tool, although the request offers none."
    )


def _message(message: csi.AssistantMessage) -> Json:
    calls = message.tool_calls
    return {
        "role": "assistant",
        "content": message.content,
        "tool_call_id": None,
        "tool_calls": None if calls is None else [msgspec.structs.asdict(one) for one in calls],
    }


def _response(response: csi.ChatResponse, message: Json) -> Json:
    return {
        "message": message,
        "finish_reason": finish_reason(response.finish_reason),
        "logprobs": distributions(response.logprobs),
        "usage": usage(response.usage),
    }


# Explanations ---------------------------------------------------------------------------------


class Explanation(Shape, frozen=True):
    """A prompt and the target to attribute to its parts."""

    prompt: str
    target: str
    model: str
    granularity: csi.Granularity

    def request(self) -> csi.ExplanationRequest:
        """The same to the drivers."""
        return csi.ExplanationRequest(self.prompt, self.target, self.model, self.granularity)


def explanation(_: Explanation, scores: list[csi.TextScore]) -> list[Json]:
    """The answer to an explanation request."""
    return [msgspec.structs.asdict(one) for one in scores]
