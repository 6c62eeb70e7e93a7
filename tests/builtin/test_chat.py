"""Chat Skills: a model and a system prompt."""

import json

import pytest

from daemon.builtin.chat import Chat, forward
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.skill import (
    ChatSpec,
    MessageAppend,
    MessageBegin,
    MessageEnd,
    Reasoning,
    StreamEvent,
)
from tests.csi.fakes import ScriptedInference

SPEC = ChatSpec(SkillPath.parse("team", "helper"), "1", "some-model", "Be kind.")
TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]


async def said(inference: csi.Inference, body: object) -> list[StreamEvent]:
    """All that the Skill answers."""
    text = json.dumps(body).encode()
    return [event async for event in Chat(SPEC, inference).stream(text, csi.Caller())]


async def test_system_prompt_goes_first_and_the_answer_is_forwarded() -> None:
    """What a Skill's stream can't express (usage, tool calls) is left out."""
    inference = ScriptedInference(
        csi.Begin("assistant"),
        csi.ReasoningDelta("hm"),
        csi.Append("hello"),
        csi.End("stop"),
        csi.Usage(csi.TokenUsage(1, 2)),
    )
    assert await said(inference, {"messages": TURNS}) == [
        MessageBegin(),
        Reasoning("hm"),
        MessageAppend("hello"),
        MessageEnd(b'"Stop"'),
    ]
    (asked,) = inference.chats
    assert asked.model == "some-model"
    assert asked.messages == [
        csi.OtherMessage("system", "Be kind."),
        csi.OtherMessage("user", "hi"),
        csi.AssistantMessage("ho"),
    ]
    assert asked.params == csi.ChatParams()


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"messages": "hi"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "pirate", "content": "arr"}]},
    ],
)
async def test_other_inputs_are_refused(body: object) -> None:
    """Before the model is asked."""
    inference = ScriptedInference()
    with pytest.raises(DaemonError) as caught:
        await said(inference, body)
    assert caught.value.kind is ErrorKind.INVALID_INPUT
    assert inference.chats == []


async def test_closing_the_answer_closes_the_stream_of_the_model() -> None:
    """A client who leaves costs no more tokens."""
    inference = ScriptedInference(csi.Begin("assistant"), hang=True)
    body = json.dumps({"messages": TURNS}).encode()
    answer = Chat(SPEC, inference).stream(body, csi.Caller())
    assert await anext(answer) == MessageBegin()
    assert inference.open == 1

    await answer.aclose()

    assert inference.open == 0


@pytest.mark.parametrize(
    ("reason", "payload"),
    [
        ("stop", b'"Stop"'),
        ("length", b'"Length"'),
        ("content-filter", b'"ContentFilter"'),
        ("tool-calls", b'"ToolCalls"'),
    ],
)
async def test_payload_names_the_reason_of_the_end(
    reason: csi.FinishReason, payload: bytes
) -> None:
    """In the spelling of the reference."""
    inference = ScriptedInference(csi.End(reason))
    chat = inference.chat_stream(csi.ChatRequest("m", []), csi.Caller())
    assert [event async for event in forward(chat)] == [MessageEnd(payload)]


def test_it_says_what_it_takes() -> None:
    """An input schema, no output schema; it is no function."""
    chat = Chat(SPEC, ScriptedInference())
    told = chat.metadata()
    assert (told.description, told.output_schema, chat.version) == ("A chat skill", None, "0.3")
    assert told.input_schema["required"] == ["messages"]
    assert chat.not_a_function().kind is ErrorKind.SKILL_IS_STREAM
