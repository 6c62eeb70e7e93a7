"""
Skills that are a conversation with a model: those of `namespace.toml` and `tell_me_a_joke`.

Leaves out the model (the inference driver).
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

import msgspec

from daemon.builtin.skill import is_stream, refused, reported
from daemon.csi import interface as csi
from daemon.errors import DaemonError
from daemon.names import SkillPath
from daemon.skill import (
    ChatSpec,
    MessageAppend,
    MessageBegin,
    MessageEnd,
    Reasoning,
    SkillMetadata,
    StreamEvent,
)

_PAYLOADS: dict[csi.FinishReason, bytes] = {
    "stop": b'"Stop"',
    "length": b'"Length"',
    "content-filter": b'"ContentFilter"',
    "tool-calls": b'"ToolCalls"',
}

_INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {
                    "role": {"type": "string", "enum": ["system", "user", "assistant"]},
                    "content": {"type": "string"},
                },
            },
        }
    },
}


class _Message(msgspec.Struct, frozen=True):
    role: Literal["system", "user", "assistant"]
    content: str


class _Input(msgspec.Struct, frozen=True):
    messages: list[_Message]


_input = msgspec.json.Decoder(_Input)


class Chat:
    """A chat Skill: a model and a system prompt."""

    version = "0.3"

    def __init__(self, spec: ChatSpec, inference: csi.Inference) -> None:
        self._spec = spec
        self._inference = inference

    def metadata(self) -> SkillMetadata:
        """See `Builtin`."""
        return SkillMetadata(description="A chat skill", input_schema=_INPUT_SCHEMA)

    def not_a_function(self) -> DaemonError:
        """See `Builtin`."""
        return is_stream(self._spec.path)

    def stream(self, body: bytes, caller: csi.Caller) -> AsyncGenerator[StreamEvent, None]:
        """See `Builtin`."""
        return self._answered(body, caller)

    async def _answered(self, body: bytes, caller: csi.Caller) -> AsyncGenerator[StreamEvent, None]:
        try:
            asked = _input.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise refused(str(error)) from error
        system = csi.OtherMessage("system", self._spec.system_prompt)
        messages = [system, *(_message(one) for one in asked.messages)]
        request = csi.ChatRequest(self._spec.model, messages)
        async with aclosing(forward(self._inference.chat_stream(request, caller))) as events:
            async for event in events:
                yield event


class TellMeAJoke:
    """`test-beta/tell_me_a_joke`: a chat without input, to try the inference driver on."""

    version = None

    def __init__(self, path: SkillPath, inference: csi.Inference) -> None:
        self._path = path
        self._inference = inference

    def metadata(self) -> SkillMetadata:
        """See `Builtin`."""
        raise reported("This Skill has no metadata")

    def not_a_function(self) -> DaemonError:
        """See `Builtin`."""
        return is_stream(self._path)

    def stream(self, body: bytes, caller: csi.Caller) -> AsyncGenerator[StreamEvent, None]:
        """See `Builtin`."""
        request = csi.ChatRequest(
            "llama-3.1-8b-instruct",
            [csi.OtherMessage("user", "Tell me a joke!")],
            csi.ChatParams(max_tokens=300, temperature=0.3),
        )
        return forward(self._inference.chat_stream(request, caller))


def _message(one: _Message) -> csi.Message:
    if one.role == "assistant":
        return csi.AssistantMessage(content=one.content)
    return csi.OtherMessage(one.role, one.content)


async def forward(
    chat: AsyncGenerator[csi.InferenceEvent, None],
) -> AsyncGenerator[StreamEvent, None]:
    """Tell what the model says as the events of a Skill; what they can't express is left out."""
    async with aclosing(chat) as events:
        async for event in events:
            match event:
                case csi.Begin():
                    yield MessageBegin()
                case csi.Append(text):
                    yield MessageAppend(text)
                case csi.ReasoningDelta(text):
                    yield Reasoning(text)
                case csi.End(reason):
                    yield MessageEnd(_PAYLOADS[reason])
