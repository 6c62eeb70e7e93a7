# world: message-stream-skill@0.4.0
"""Says a text word by word. The smallest streaming Skill: begin, append, end, no SDK."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.message_stream import Error_InvalidInput
from wit_world.imports.streaming_output import (
    BeginAttributes,
    MessageItem_MessageAppend,
    MessageItem_MessageBegin,
    MessageItem_MessageEnd,
    StreamOutput,
)


class MessageStream(exports.MessageStream):
    """What the host calls; componentize-py looks for this name."""

    def run(self, input: bytes, output: StreamOutput) -> None:
        match json.loads(input):
            case {"text": str(text)}:
                words = text.split()
            case _:
                raise Err(Error_InvalidInput('expected {"text": "…"}'))
        with output:
            output.write(MessageItem_MessageBegin(BeginAttributes(role=None)))
            for count, word in enumerate(words):
                output.write(MessageItem_MessageAppend(f" {word}" if count else word))
            payload = json.dumps({"words": len(words)}).encode()
            output.write(MessageItem_MessageEnd(payload))
