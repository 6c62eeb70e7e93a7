# world: message-stream-skill@sdk
"""Everything that a streaming Skill does with what its host streams to it."""

from collections.abc import Callable
from typing import Any

from pharia_skill import (
    ChatStreamResponse,
    Csi,
    InvokeRequest,
    Message,
    MessageWriter,
    message_stream,
)
from pydantic import BaseModel


class Input(BaseModel):
    do: str
    model: str = "stub"
    text: str = "Hi"
    tools: list[str] = []
    arguments: dict[str, Any] = {}


class Payload(BaseModel):
    told: Any = None


Writer = MessageWriter[Payload]


def forward_chat(csi: Csi, writer: Writer, asked: Input) -> None:
    def payload(answer: ChatStreamResponse) -> Payload:
        return Payload(told=[answer.finish_reason().value, answer.usage().completion])

    with csi.chat_stream(asked.model, [Message.user(asked.text)]) as answer:
        writer.forward_response(answer, payload)


def forward_completion(csi: Csi, writer: Writer, asked: Input) -> None:
    with csi.completion_stream(asked.model, asked.text) as answer:
        writer.forward_response(answer, Payload(told="completed"))


def drop(csi: Csi, writer: Writer, asked: Input) -> None:
    """Tells the first piece and leaves the rest; what follows is told in another message."""
    with csi.chat_stream(asked.model, [Message.user(asked.text)]) as answer:
        writer.begin_message()
        writer.append_to_message(next(iter(answer.stream())).content)
        writer.end_message()
    writer.begin_message("assistant")
    writer.append_to_message(csi.complete(asked.model, "and on").text)
    writer.end_message()


def tools(csi: Csi, writer: Writer, asked: Input) -> None:
    """All at once, between two messages."""
    wanted = [InvokeRequest(name, asked.arguments) for name in asked.tools]
    results = csi.invoke_tool_concurrent(wanted)
    writer.begin_message()
    writer.end_message(Payload(told=[str(one) for one in results]))


def agent(csi: Csi, writer: Writer, asked: Input) -> None:
    with csi.chat_stream(asked.model, [Message.user(asked.text)], tools=asked.tools) as answer:
        writer.forward_response(answer)


def midway(csi: Csi, writer: Writer, asked: Input) -> None:
    """Has begun to tell when it asks for what it can't have."""
    writer.begin_message()
    writer.append_to_message("so far")
    csi.chat(asked.model, [Message.user(asked.text)])
    writer.end_message()


def fail(csi: Csi, writer: Writer, asked: Input) -> None:
    writer.begin_message()
    raise ValueError(asked.text)


DEEDS: dict[str, Callable[[Csi, Writer, Input], None]] = {
    deed.__name__: deed
    for deed in (forward_chat, forward_completion, drop, tools, agent, midway, fail)
}


@message_stream
def csi_stream(csi: Csi, writer: MessageWriter[Payload], input: Input) -> None:
    """Streams what its caller wants from its host."""
    DEEDS[input.do](csi, writer, input)
