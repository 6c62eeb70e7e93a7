"""World 0.3: batches and streams; no reasoning, no tool calls, messages are role and content."""

from typing import Any

from daemon.csi import interface as csi
from daemon.engine.wit import F64, STRING, U32, List, Option, Variant, enumeration, record, struct
from daemon.engine.worlds import documents, inference, texts
from daemon.engine.worlds.hostcall import (
    SKIP,
    HostFunction,
    Interface,
    function,
    inexpressible,
    items,
    stream,
)
from daemon.engine.worlds.output import output

_WORLD = "0.3"
_FINISH = enumeration("stop", "length", "content-filter")
_REQUEST = inference.completion_request(echo=False)
_REQUEST_V2 = inference.completion_request(echo=True)
_COMPLETION = inference.completion(_FINISH)

_MESSAGE = record(role=STRING, content=STRING)
_CHAT_PARAMS = struct(
    csi.ChatParams,
    max_tokens=Option(U32),
    temperature=Option(F64),
    top_p=Option(F64),
    frequency_penalty=Option(F64),
    presence_penalty=Option(F64),
    logprobs=inference.LOGPROBS,
)
_CHAT_REQUEST = record(model=STRING, messages=List(_MESSAGE), params=_CHAT_PARAMS)
_CHAT_RESPONSE = record(
    message=_MESSAGE,
    finish_reason=_FINISH,
    logprobs=inference.DISTRIBUTIONS,
    usage=inference.USAGE,
)
_CHAT_EVENT = Variant(
    (
        ("message-begin", STRING),
        ("message-append", record(content=STRING, logprobs=inference.DISTRIBUTIONS)),
        ("message-end", _FINISH),
        ("usage", inference.USAGE),
    )
)


def _finish(reason: csi.FinishReason) -> str:
    if reason == "tool-calls":
        raise inexpressible("a tool call", _WORLD)
    return reason


def _completions(reply: csi.Completions) -> list[tuple[Any, ...]]:
    return [(one.text, _finish(one.finish_reason), one.logprobs, one.usage) for one in reply.items]


def _message(message: tuple[str, str]) -> csi.Message:
    role, content = message
    if role.lower() == "assistant":
        return csi.AssistantMessage(content)
    return csi.OtherMessage(role, content)


def _chat_request(request: tuple[str, list[tuple[str, str]], csi.ChatParams]) -> csi.ChatRequest:
    model, messages, params = request
    return csi.ChatRequest(model, [_message(one) for one in messages], params)


def _response(response: csi.ChatResponse) -> tuple[Any, ...]:
    if response.message.content is None:
        raise inexpressible("no text", _WORLD)
    message = ("assistant", response.message.content)
    return message, _finish(response.finish_reason), response.logprobs, response.usage


def _tell_completion(event: csi.InferenceEvent) -> Any:
    match event:
        case csi.Append(text, logprobs):
            return "append", (text, logprobs)
        case csi.End(reason):
            return "end", _finish(reason)
        case csi.Usage(usage):
            return "usage", usage
    return SKIP


def _tell_chat(event: csi.InferenceEvent) -> Any:
    match event:
        case csi.Begin(role):
            return "message-begin", role
        case csi.Append(text, logprobs):
            return "message-append", (text, logprobs)
        case csi.End(reason):
            return "message-end", _finish(reason)
        case csi.Usage(usage):
            return "usage", usage
        case csi.ToolCallDelta():
            raise inexpressible("a tool call", _WORLD)
    return SKIP  # reasoning


_EXPLANATION = struct(
    csi.ExplanationRequest,
    prompt=STRING,
    target=STRING,
    model=STRING,
    granularity=enumeration("auto", "word", "sentence", "paragraph"),
)
_SCORE = struct(csi.TextScore, start=U32, length=U32, score=F64)
_INFERENCE: tuple[HostFunction, ...] = (
    function(
        "explain", List(_EXPLANATION), result=List(List(_SCORE)), ask=csi.Explain, answer=items
    ),
    function(
        "complete",
        List(_REQUEST),
        result=List(_COMPLETION),
        ask=csi.Complete,
        answer=_completions,
    ),
    function(
        "complete-v2",
        List(_REQUEST_V2),
        result=List(_COMPLETION),
        ask=csi.Complete,
        answer=_completions,
    ),
    function(
        "chat",
        List(_CHAT_REQUEST),
        result=List(_CHAT_RESPONSE),
        ask=lambda requests: csi.Chat([_chat_request(one) for one in requests]),
        answer=lambda reply: [_response(one) for one in reply.items],
    ),
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
        ask=lambda request: csi.OpenChatStream(_chat_request(request)),
        tell=_tell_chat,
    ),
)

_V = "@0.3.11"
INTERFACES = (
    Interface(f"pharia:skill/inference{_V}", _INFERENCE, ("completion-stream", "chat-stream")),
    Interface(f"pharia:skill/document-index{_V}", documents.FUNCTIONS),
    Interface(f"pharia:skill/chunking{_V}", texts.CHUNKING),
    Interface(f"pharia:skill/language{_V}", texts.LANGUAGE),
    Interface(f"pharia:skill/tool{_V}", texts.TOOL),
    output(f"pharia:skill/streaming-output{_V}", reasoning=False),
)
