"""
The events of completion and chat streams, as names and data.

An event that a version can't express is None. Leaves out the bytes (`api/sse`).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from daemon.api.csi.inference import (
    Chat,
    distributions,
    finish_reason,
    unexpected_tool_call,
    usage,
)
from daemon.csi import interface as csi

Named = tuple[str, dict[str, Any]]
Tell = Callable[[csi.InferenceEvent], Named | None]


def completion(event: csi.InferenceEvent) -> Named | None:
    """Both versions."""
    match event:
        case csi.Append(text, logprobs):
            return "append", {"text": text, "logprobs": distributions(logprobs)}
        case csi.End(reason):
            return "end", {"finish_reason": finish_reason(reason)}
        case csi.Usage(tokens):
            return "usage", {"usage": usage(tokens)}
    return None


def chat_v1(request: Chat) -> Tell:
    """No reasoning. It raises DaemonError for a tool call where *request* offers no tools."""

    def tell(event: csi.InferenceEvent) -> Named | None:
        match event:
            case csi.Append(text, logprobs):
                data = {"content": text, "logprobs": distributions(logprobs)}
                return "message_append", data
            case csi.ToolCallDelta() if not request.params.tools:
                raise unexpected_tool_call()
        return _chat(event)

    return tell


def chat_v2(_: Chat) -> Tell:
    """No log probabilities."""

    def tell(event: csi.InferenceEvent) -> Named | None:
        match event:
            case csi.Append(text):
                return "message_append", {"content": text}
            case csi.ReasoningDelta(text):
                return "reasoning", {"content": text}
        return _chat(event)

    return tell


def _chat(event: csi.InferenceEvent) -> Named | None:
    match event:
        case csi.Begin(role):
            return "message_begin", {"role": role}
        case csi.End(reason):
            return "message_end", {"finish_reason": finish_reason(reason)}
        case csi.Usage(tokens):
            return "usage", {"usage": usage(tokens)}
        case csi.ToolCallDelta(chunks):
            return "tool_call", {"tool_calls": [msgspec.structs.asdict(one) for one in chunks]}
    return None
