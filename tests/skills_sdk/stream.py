# world: message-stream-skill@sdk
"""Streams the characters of its topic, or breaks the order of a stream where `order` says so."""

import itertools

from pharia_skill import Csi, MessageWriter, message_stream
from pydantic import BaseModel


class Input(BaseModel):
    topic: str = ""
    order: list[str] | None = None


class Payload(BaseModel):
    letters: int


@message_stream
def stream(csi: Csi, writer: MessageWriter[Payload], input: Input) -> None:
    """Streams a topic."""
    if input.order is not None:
        return play(writer, input)
    writer.begin_message()
    for letter in input.topic:
        writer.append_to_message(letter)
    writer.end_message(Payload(letters=len(input.topic)))


def play(writer: MessageWriter[Payload], input: Input) -> None:
    for step in input.order or ():
        match step:
            case "begin":
                writer.begin_message()
            case "append":
                writer.append_to_message(input.topic)
            case "end":
                writer.end_message()
            case "raise":
                raise ValueError(input.topic)
            case "for_ever":
                for count in itertools.count():
                    writer.append_to_message(f"{count} ")
