"""Worlds 0.4 and 0.5: reasoning, tool calls and structured answers. Both have the same content."""

from typing import Any

from daemon.csi import interface as csi
from daemon.engine.wit import (
    BOOL,
    BYTES,
    F64,
    STRING,
    U32,
    List,
    Option,
    Variant,
    enumeration,
    record,
    struct,
)
from daemon.engine.worlds import documents, inference, texts
from daemon.engine.worlds.hostcall import (
    SKIP,
    HostFunction,
    Interface,
    function,
    items,
    stream,
)
from daemon.engine.worlds.output import output

_FINISH = enumeration("stop", "length", "content-filter", "tool-calls")
_REQUEST = inference.completion_request(echo=True)

_TOOL_CALL = struct(csi.ToolCall, id=STRING, name=STRING, arguments=STRING)
_ASSISTANT = struct(
    csi.AssistantMessage,
    content=Option(STRING),
    reasoning_content=Option(STRING),
    tool_calls=Option(List(_TOOL_CALL)),
)
_MESSAGE = Variant(
    (
        ("assistant", _ASSISTANT),
        ("tool", struct(csi.ToolMessage, content=STRING, tool_call_id=STRING)),
        ("other", struct(csi.OtherMessage, role=STRING, content=STRING)),
    ),
    make=lambda _case, message: message,
)
_FUNCTION = struct(
    csi.Function,
    name=STRING,
    description=Option(STRING),
    parameters=Option(BYTES),
    strict=Option(BOOL),
)
_JSON_SCHEMA = struct(
    csi.JsonSchema,
    description=Option(STRING),
    name=STRING,
    schema=Option(BYTES),
    strict=Option(BOOL),
)
_CHOICE = Variant(
    (("none", None), ("auto", None), ("required", None), ("named", STRING)),
    make=lambda case, name: csi.NamedTool(name) if case == "named" else case,
)
_FORMAT = Variant(
    (("text", None), ("json-object", None), ("json-schema", _JSON_SCHEMA)),
    make=lambda case, schema: schema if case == "json-schema" else case,
)
_CHAT_PARAMS = struct(
    csi.ChatParams,
    max_tokens=Option(U32),
    max_completion_tokens=Option(U32),
    temperature=Option(F64),
    top_p=Option(F64),
    frequency_penalty=Option(F64),
    presence_penalty=Option(F64),
    logprobs=inference.LOGPROBS,
    tools=Option(List(_FUNCTION)),
    tool_choice=Option(_CHOICE),
    parallel_tool_calls=Option(BOOL),
    response_format=Option(_FORMAT),
    reasoning_effort=Option(enumeration("minimal", "low", "medium", "high")),
)
_CHAT_REQUEST = struct(csi.ChatRequest, model=STRING, messages=List(_MESSAGE), params=_CHAT_PARAMS)
_CHAT_RESPONSE = struct(
    csi.ChatResponse,
    message=_ASSISTANT,
    finish_reason=_FINISH,
    logprobs=inference.DISTRIBUTIONS,
    usage=inference.USAGE,
)
_COMPLETION = struct(
    csi.Completion,
    text=STRING,
    finish_reason=_FINISH,
    logprobs=inference.DISTRIBUTIONS,
    usage=inference.USAGE,
)
_TOOL_CALL_CHUNK = struct(
    csi.ToolCallChunk,
    index=U32,
    id=Option(STRING),
    name=Option(STRING),
    arguments=Option(STRING),
)
_CHAT_EVENT = Variant(
    (
        ("message-begin", STRING),
        ("reasoning", STRING),
        ("message-append", record(content=STRING)),
        ("message-end", _FINISH),
        ("usage", inference.USAGE),
        ("tool-call", List(_TOOL_CALL_CHUNK)),
    )
)


def _tell_completion(event: csi.InferenceEvent) -> Any:
    match event:
        case csi.Append(text, logprobs):
            return "append", (text, logprobs)
        case csi.End(reason):
            return "end", reason
        case csi.Usage(usage):
            return "usage", usage
    return SKIP


def _tell_chat(event: csi.InferenceEvent) -> Any:
    match event:
        case csi.Begin(role):
            return "message-begin", role
        case csi.ReasoningDelta(text):
            return "reasoning", text
        case csi.Append(text):
            return "message-append", (text,)
        case csi.End(reason):
            return "message-end", reason
        case csi.Usage(usage):
            return "usage", usage
        case csi.ToolCallDelta(chunks):
            return "tool-call", chunks


_INFERENCE: tuple[HostFunction, ...] = (
    function("complete", List(_REQUEST), result=List(_COMPLETION), ask=csi.Complete, answer=items),
    function("chat", List(_CHAT_REQUEST), result=List(_CHAT_RESPONSE), ask=csi.Chat, answer=items),
    *stream(
        "completion-stream",
        request=_REQUEST,
        event=inference.completion_event(_FINISH),
        ask=csi.OpenCompletionStream,
        tell=_tell_completion,
    ),
    *stream(
        "chat-stream",
        request=_CHAT_REQUEST,
        event=_CHAT_EVENT,
        ask=csi.OpenChatStream,
        tell=_tell_chat,
    ),
)


def _interfaces(version: str) -> tuple[Interface, ...]:
    return (
        Interface(
            f"pharia:skill/inference@{version}", _INFERENCE, ("completion-stream", "chat-stream")
        ),
        Interface(f"pharia:skill/document-index@{version}", documents.FUNCTIONS),
        Interface(f"pharia:skill/chunking@{version}", texts.CHUNKING),
        Interface(f"pharia:skill/language@{version}", texts.LANGUAGE),
        Interface(f"pharia:skill/tool@{version}", texts.TOOL),
        output(f"pharia:skill/streaming-output@{version}", reasoning=True),
    )


INTERFACES = (*_interfaces("0.4.0"), *_interfaces("0.5.0"))
