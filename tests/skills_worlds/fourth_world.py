# world: skill@0.4.0
"""A Skill of the 0.4 world: an agent that knows what its model thought, and calls tools by id."""

import json

from wit_world import exports
from wit_world.exports.skill_handler import SkillMetadata
from wit_world.imports import inference, tool


class SkillHandler(exports.SkillHandler):
    def run(self, input: bytes) -> bytes:
        talk = [inference.Message_Other(inference.OtherMessage("user", json.loads(input)))]
        thoughts = []
        while True:
            request = inference.ChatRequest("fourth-model", talk, params())
            (answer,) = inference.chat([request])
            message = answer.message
            thoughts.append(message.reasoning_content)
            if not message.tool_calls:
                return json.dumps({"said": message.content, "thought": thoughts}).encode()
            talk.append(inference.Message_Assistant(message))
            talk += [called(one) for one in message.tool_calls]

    def metadata(self) -> SkillMetadata:
        return SkillMetadata("An agent.", b"{}", b"{}")


def params() -> inference.ChatParams:
    functions = [
        inference.Function(one.name, one.description, one.input_schema, None)
        for one in tool.list_tools()
    ]
    choice, form = inference.ToolChoice_Auto(), inference.ResponseFormat_Text()
    effort, logprobs = inference.ReasoningEffort.LOW, inference.Logprobs_No()
    numbers = [None] * 6
    return inference.ChatParams(*numbers, logprobs, functions, choice, True, form, effort)


def called(call: inference.ToolCall) -> inference.Message:
    arguments = [
        tool.Argument(name, json.dumps(value).encode())
        for name, value in json.loads(call.arguments).items()
    ]
    (result,) = tool.invoke_tool([tool.InvokeRequest(call.name, arguments)])
    texts = result.value if isinstance(result.value, str) else result.value[0].value
    return inference.Message_Tool(inference.ToolMessage(texts, call.id))
