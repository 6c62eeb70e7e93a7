"""
The chat format of OpenAI, which all backends speak: our types to JSON and back. Pure.

Reads leniently what real servers leave out, except finish reason and usage of a whole answer,
which callers are promised. Leaves out sending.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from daemon.csi import interface as csi
from daemon.csi.inference.failures import NULL, Asked, decode, malformed, refused_inside
from daemon.csi.inference.reasoning import Part, ThinkSplitter, split_answer
from daemon.csi.interface.value import U32
from daemon.errors import DaemonError, ErrorKind

ROLES = ("user", "assistant", "system", "tool", "developer")
_PLAIN_ROLES = frozenset({"user", "system", "developer", "assistant"})
_PLAIN_PARAMS = (
    "max_tokens", "max_completion_tokens", "temperature", "top_p", "frequency_penalty",
    "presence_penalty", "parallel_tool_calls", "reasoning_effort",
)  # fmt: skip
_FINISH: dict[str, csi.FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}

Json = dict[str, Any]


# To JSON --------------------------------------------------------------------------------------


def encode_chat(request: csi.ChatRequest, *, stream: bool = False) -> bytes:
    """Return the body. Raises DaemonError(CSI_BAD_REQUEST) for a role that nobody knows."""
    params = request.params
    body: Json = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
    }
    body |= {name: value for name in _PLAIN_PARAMS if (value := getattr(params, name)) is not None}
    if params.logprobs != "no":
        top = 1 if params.logprobs == "sampled" else params.logprobs
        body |= {"logprobs": True, "top_logprobs": top}
    if params.tools is not None:
        body["tools"] = [{"type": "function", "function": _function(it)} for it in params.tools]
    if params.tool_choice is not None:
        body["tool_choice"] = _tool_choice(params.tool_choice)
    if params.response_format is not None:
        body["response_format"] = _response_format(params.response_format)
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


def _message(message: csi.Message) -> Json:
    match message:
        case csi.AssistantMessage():
            return _assistant(message)
        case csi.ToolMessage():
            return _tool_result(message.content, message.tool_call_id)
        case csi.OtherMessage():
            role = message.role.lower()
            if role == "tool":  # of a world whose messages have no ids, as the SDK's agents send it
                return _tool_result(message.content, "")
            if role in _PLAIN_ROLES:
                return {"role": role, "content": message.content}
            raise DaemonError(
                ErrorKind.CSI_BAD_REQUEST,
                f"the role {message.role!r} is not supported; allowed are {', '.join(ROLES)}",
            )


def _tool_result(content: str, tool_call_id: str) -> Json:
    return {"role": "tool", "content": content, "tool_call_id": tool_call_id}


def _assistant(message: csi.AssistantMessage) -> Json:
    body: Json = {"role": "assistant"}
    if message.content is not None:
        body["content"] = message.content
    if message.tool_calls is not None:
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return body


def _function(function: csi.Function) -> Json:
    return _present(
        name=function.name,
        description=function.description,
        parameters=_raw(function.parameters, f"the parameters of the tool {function.name!r}"),
        strict=function.strict,
    )


def _tool_choice(choice: csi.ToolChoice) -> str | Json:
    if isinstance(choice, csi.NamedTool):
        return {"type": "function", "function": {"name": choice.named}}
    return choice


def _response_format(wanted: csi.ResponseFormat) -> Json:
    if not isinstance(wanted, csi.JsonSchema):
        return {"type": wanted.replace("-", "_")}
    schema = _present(
        name=wanted.name,
        description=wanted.description,
        schema=_raw(wanted.schema, f"the schema of {wanted.name!r}"),
        strict=wanted.strict,
    )
    return {"type": "json_schema", "json_schema": schema}


def _present(**values: object) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _raw(text: bytes | None, what: str) -> msgspec.Raw | None:
    """Check that it is JSON: with anything else the whole body would not be, or say more."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=msgspec.Raw).copy()
    except (msgspec.DecodeError, RecursionError) as error:
        raise DaemonError(
            ErrorKind.CSI_BAD_REQUEST, f"{what} can't be sent to the model: {error}"
        ) from error


# From JSON ------------------------------------------------------------------------------------


class _Token(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Position(_Token):
    top_logprobs: list[_Token] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Position] | None = None


class _CalledFunction(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: U32 = 0
    id: str | None = None
    function: _CalledFunction | None = None


class _Said(msgspec.Struct):
    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None

    @property
    def thought(self) -> str | None:
        return self.reasoning_content or self.reasoning


class Numbered(msgspec.Struct):
    """A choice; nobody asks for a second one, which would be number 1."""

    index: int | None = None


class _Choice(Numbered):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class WireUsage(msgspec.Struct):
    """As OpenAI counts tokens."""

    prompt_tokens: U32
    completion_tokens: U32 = 0

    def plain(self) -> csi.TokenUsage:
        """In our words."""
        return csi.TokenUsage(self.prompt_tokens, self.completion_tokens)


_AnyChoice = TypeVar("_AnyChoice", bound=Numbered)


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = NULL
    object: str = ""


_answers = msgspec.json.Decoder(_Answer)


def first_choice(choices: Sequence[_AnyChoice] | None) -> _AnyChoice | None:
    """Without those that nobody asked for; their pieces would get between those of the first."""
    return next((one for one in choices or () if not one.index), None)


def finish_reason(reason: str, asked: Asked) -> csi.FinishReason:
    """Raises DaemonError(CSI_UPSTREAM) for one that is not in the contract."""
    found = _FINISH.get(reason)
    if found is None:
        raise malformed(f"unknown finish reason {asked.quote(reason, limit=40)!r}")
    return found


def decode_chat(body: bytes, asked: Asked) -> csi.ChatResponse:
    """Read a whole answer. Raises DaemonError, CSI_UPSTREAM if it is malformed."""
    answer = _decode(body, asked)
    choice = first_choice(answer.choices)
    if choice is None or choice.message is None:
        raise malformed("it has no choice with a message")
    if choice.finish_reason is None or answer.usage is None:
        missing = "finish_reason" if choice.finish_reason is None else "usage"
        raise malformed(f"{missing} is missing")
    return csi.ChatResponse(
        _spoken(choice.message),
        finish_reason(choice.finish_reason, asked),
        answer.usage.plain(),
        _distributions(choice.logprobs),
    )


def _spoken(said: _Said) -> csi.AssistantMessage:
    reasoning, content = said.thought, said.content
    if reasoning is None and content is not None:
        reasoning, content = split_answer(content)
    calls = None if not said.tool_calls else [_tool_call(call) for call in said.tool_calls]
    return csi.AssistantMessage(content, reasoning, calls)


def _tool_call(call: _Call) -> csi.ToolCall:
    function = call.function
    if call.id is None or function is None or function.name is None:
        raise malformed("a tool call without id or name")
    return csi.ToolCall(call.id, function.name, function.arguments or "")


def _distributions(logprobs: _Logprobs | None) -> list[csi.Distribution]:
    positions = (logprobs.content if logprobs else None) or []
    return [
        csi.Distribution(_logprob(it), [_logprob(top) for top in it.top_logprobs or []])
        for it in positions
    ]


def _logprob(token: _Token) -> csi.Logprob:
    if token.bytes is None:
        return csi.Logprob(token.token.encode(errors="replace"), token.logprob)
    try:
        return csi.Logprob(bytes(token.bytes), token.logprob)
    except ValueError as error:
        raise malformed("the bytes of a token are not bytes") from error


def _decode(text: str | bytes, asked: Asked) -> _Answer:
    answer = decode(_answers, text)
    if bytes(answer.error) != b"null" or answer.object == "error":
        raise refused_inside(text, asked)
    return answer


class ChatReader:
    """
    Turns the chunks of one stream into events; owned by the reader of the stream.

    However the backend words it, there is one beginning, at the start, and one end.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._splitter: ThinkSplitter | None = ThinkSplitter()
        self._logprobs: list[csi.Distribution] = []
        self._begun = False
        self._ended = False

    def read(self, data: str) -> list[csi.InferenceEvent]:
        """Return the events of a chunk, in order. Raises DaemonError of the CSI_* kinds."""
        answer = _decode(data, self._asked)
        events: list[csi.InferenceEvent] = []
        choice = first_choice(answer.choices)
        if choice is not None and not self._ended:
            events += self._choice(choice)
        if answer.usage is not None:
            events.append(csi.Usage(answer.usage.plain()))
        return events

    def finish(self) -> None:
        """Raises DaemonError(CSI_UPSTREAM) if the end is missing."""
        if not self._ended:
            raise malformed("the stream ended before the message did")

    def _choice(self, choice: _Choice) -> list[csi.InferenceEvent]:
        said = choice.delta or _Said()
        events: list[csi.InferenceEvent] = self._begin(said)
        if said.thought:
            events += [*self._flush(), csi.ReasoningDelta(said.thought)]
            self._splitter = None  # a backend that splits needs no second knife
        if not said.thought and not said.tool_calls:
            self._logprobs += _distributions(choice.logprobs)
        if said.content:
            events += self._content(said.content)
        if said.tool_calls:
            events += [*self._flush(), csi.ToolCallDelta([_chunk(it) for it in said.tool_calls])]
        if choice.finish_reason:
            reason = finish_reason(choice.finish_reason, self._asked)
            events += [*self._flush(), *self._late_logprobs(), csi.End(reason)]
            self._ended = True
        return events

    def _begin(self, said: _Said) -> list[csi.InferenceEvent]:
        if self._begun:
            return []
        self._begun = True
        return [csi.Begin(said.role or "assistant")]

    def _content(self, text: str) -> list[csi.InferenceEvent]:
        if self._splitter is None:
            return self._events([("content", text)])
        return self._events(self._splitter.feed(text))

    def _flush(self) -> list[csi.InferenceEvent]:
        return [] if self._splitter is None else self._events(self._splitter.finish())

    def _late_logprobs(self) -> list[csi.InferenceEvent]:
        """Those of tokens that are no text by themselves, with no text to follow."""
        held, self._logprobs = self._logprobs, []
        return [csi.Append("", held)] if held else []

    def _events(self, parts: list[Part]) -> list[csi.InferenceEvent]:
        events: list[csi.InferenceEvent] = []
        for kind, text in parts:
            if kind == "content":
                events.append(csi.Append(text, self._logprobs))
            else:
                events.append(csi.ReasoningDelta(text))
        if parts:  # those of reasoning are of no use to anybody
            self._logprobs = []
        return events


def _chunk(call: _Call) -> csi.ToolCallChunk:
    function = call.function or _CalledFunction()
    return csi.ToolCallChunk(call.index, call.id, function.name, function.arguments)
