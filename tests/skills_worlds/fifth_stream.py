# world: message-stream-skill@0.5.0
"""A stream of the 0.5 world that tells what its model thinks, says, and wants of tools."""

import json

from wit_world import exports
from wit_world.imports import inference, streaming_output
from wit_world.imports.streaming_output import StreamOutput


class MessageStream(exports.MessageStream):
    def run(self, input: bytes, output: StreamOutput) -> None:
        out = streaming_output
        nothing = [None] * 6
        params = inference.ChatParams(*nothing, inference.Logprobs_No(), *([None] * 5))
        user = inference.Message_Other(inference.OtherMessage("user", json.loads(input)))
        request = inference.ChatRequest("fifth-model", [user], params)
        with output, inference.ChatStream(request) as stream:
            while (event := stream.next()) is not None:
                match event:
                    case inference.ChatEvent_MessageBegin(role):
                        output.write(out.MessageItem_MessageBegin(out.BeginAttributes(role)))
                    case inference.ChatEvent_Reasoning(text):
                        output.write(out.MessageItem_Reasoning(text))
                    case inference.ChatEvent_MessageAppend(more):
                        output.write(out.MessageItem_MessageAppend(more.content))
                    case inference.ChatEvent_ToolCall(chunks):
                        for one in chunks:
                            told = f"[{one.id} {one.name} {one.arguments}]"
                            output.write(out.MessageItem_MessageAppend(told))
                    case inference.ChatEvent_MessageEnd(reason):
                        payload = json.dumps(reason.name).encode()
                        output.write(out.MessageItem_MessageEnd(payload))
