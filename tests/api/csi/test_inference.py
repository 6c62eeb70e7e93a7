"""Completions, chats and explanations: their JSON, to the letter."""

from typing import Any

import msgspec
import pytest

from daemon.api.csi import inference
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind

COMPLETION = {"prompt": "p", "model": "m"}
COMPLETION_PARAMS = {"return_special_tokens": True, "stop": ["x"], "logprobs": "no"}
MESSAGE = {"role": "user", "content": "Hi"}
CALL = csi.ToolCall("1", "add", '{"a":1}')
TOKENS = csi.TokenUsage(3, 2)


def completion(**params: Any) -> csi.CompletionParams:
    """What the drivers hear."""
    body = COMPLETION | {"params": COMPLETION_PARAMS | params}
    return msgspec.convert(body, inference.Completion).request().params


def chat(*messages: Any, **params: Any) -> csi.ChatRequest:
    """What the drivers hear."""
    body = {"model": "m", "messages": messages, "params": {"logprobs": "no"} | params}
    return msgspec.json.decode(msgspec.json.encode(body), type=inference.Chat).request()


def text(value: object) -> str:
    """Compact JSON, in the order of the contract."""
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize(
    ("sent", "heard"), [("no", "no"), ("sampled", "sampled"), ({"top": 7}, 7), ({"top": 0}, 0)]
)
def test_logprobs_are_a_word_or_a_number(sent: Any, heard: csi.Logprobs) -> None:
    """In both kinds of requests."""
    assert completion(logprobs=sent).logprobs == heard
    assert chat(MESSAGE, logprobs=sent).params.logprobs == heard


def test_all_completion_parameters_reach_the_driver() -> None:
    """None is lost on the way."""
    params = {
        "max_tokens": 1,
        "temperature": 0.1,
        "top_k": 2,
        "top_p": 0.3,
        "frequency_penalty": 0.4,
        "presence_penalty": 0.5,
        "echo": True,
    }

    heard = completion(**params)

    assert heard == csi.CompletionParams(
        stop=["x"],
        return_special_tokens=True,
        **params,
    )


@pytest.mark.parametrize("missing", ["return_special_tokens", "stop", "logprobs"])
def test_some_completion_parameters_are_required(missing: str) -> None:
    """As in the contract."""
    params = {name: value for name, value in COMPLETION_PARAMS.items() if name != missing}

    with pytest.raises(msgspec.ValidationError, match=rf"`{missing}` - at `\$.params`"):
        msgspec.convert(COMPLETION | {"params": params}, inference.Completion)


def test_a_completion_has_four_members_in_order() -> None:
    """Tokens are lists of bytes; what is no number is null."""
    logprobs = [
        csi.Distribution(csi.Logprob(b"\xc3", -0.5), [csi.Logprob(b"a", float("-inf"))]),
    ]

    done = inference.completion(None, csi.Completion("t", "content-filter", TOKENS, logprobs))

    assert text(done) == (
        '{"text":"t","finish_reason":"content_filter","logprobs":'
        '[{"sampled":{"token":[195],"logprob":-0.5},"top":[{"token":[97],"logprob":null}]}],'
        '"usage":{"prompt":3,"completion":2}}'
    )


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (MESSAGE, csi.OtherMessage("user", "Hi")),
        ({"role": "wizard", "content": ""}, csi.OtherMessage("wizard", "")),
        ({"role": "assistant"}, csi.AssistantMessage()),
        (
            {"role": "assistant", "content": "c", "reasoning_content": "r"},
            csi.AssistantMessage("c"),
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [{"id": "1", "name": "add", "arguments": '{"a":1}'}],
            },
            csi.AssistantMessage(tool_calls=[CALL]),
        ),
        (
            {"role": "tool", "content": "3", "tool_call_id": "1", "tool_calls": None},
            csi.ToolMessage("3", "1"),
        ),
        ({"role": "tool", "content": "3"}, csi.ToolMessage("3", "")),
    ],
)
def test_messages_follow_their_role(sent: Any, heard: csi.Message) -> None:
    """Which other roles there are is the driver's to say."""
    assert chat(sent).messages == [heard]


@pytest.mark.parametrize("role", ["user", "tool", "Assistant"])
def test_only_the_assistant_may_say_nothing(role: str) -> None:
    """Also with null."""
    with pytest.raises(msgspec.ValidationError, match=r"needs `content` - at `\$.messages\[0\]`"):
        chat({"role": role, "content": None})


SCHEMA = {"name": "n", "description": None, "schema": {"type": "object"}, "strict": True}
HEARD = csi.JsonSchema("n", None, b'{"type":"object"}', True)


@pytest.mark.parametrize(
    ("name", "sent", "heard"),
    [
        ("tool_choice", "required", "required"),
        ("tool_choice", {"named": "add"}, csi.NamedTool("add")),
        ("tool_choice", {"name": "add"}, csi.NamedTool("add")),
        ("response_format", "text", "text"),
        ("response_format", "json_object", "json-object"),
        ("response_format", {"json_schema": SCHEMA}, HEARD),
        ("response_format", SCHEMA, HEARD),
        ("reasoning_effort", "minimal", "minimal"),
        ("reasoning_effort", None, None),
        ("parallel_tool_calls", False, False),
        ("max_completion_tokens", 5, 5),
        ("max_tokens", 6, 6),
        ("top_p", 1, 1.0),
        (
            "tools",
            [{"name": "add", "parameters": {"type": "object"}, "strict": None}, {"name": "b"}],
            [csi.Function("add", None, b'{"type":"object"}'), csi.Function("b")],
        ),
    ],
)
def test_chat_parameters_reach_the_driver(name: str, sent: Any, heard: Any) -> None:
    """In the contract's shape and in that which the public SDK sends."""
    assert getattr(chat(MESSAGE, **{name: sent}).params, name) == heard


@pytest.mark.parametrize("name", ["tool_choice", "response_format"])
@pytest.mark.parametrize("sent", ["odd", {}, {"odd": 1}, 1])
def test_unknown_choices_are_refused_at_their_place(name: str, sent: Any) -> None:
    """Not taken for the default."""
    with pytest.raises(msgspec.ValidationError, match=rf"at `\$.params.{name}`"):
        chat(MESSAGE, **{name: sent})


REQUEST = msgspec.convert(
    {"model": "m", "messages": [MESSAGE], "params": {"logprobs": "no"}}, inference.Chat
)
WITH_TOOLS = msgspec.json.decode(
    b'{"model":"m","messages":[],"params":{"logprobs":"no","tools":[{"name":"add"}]}}',
    type=inference.Chat,
)


def response(*, finish: csi.FinishReason = "stop", **message: Any) -> csi.ChatResponse:
    """A model's answer."""
    return csi.ChatResponse(csi.AssistantMessage(**message), finish, TOKENS)


def test_version_1_drops_reasoning() -> None:
    """It has no place for it."""
    told = inference.chat_v1(REQUEST, response(content="Hi", reasoning_content="hm"))

    assert text(told) == (
        '{"message":{"role":"assistant","content":"Hi","tool_call_id":null,"tool_calls":null},'
        '"finish_reason":"stop","logprobs":[],"usage":{"prompt":3,"completion":2}}'
    )


def test_version_2_tells_reasoning_beside_the_answer() -> None:
    """In its place."""
    told = inference.chat_v2(REQUEST, response(reasoning_content="hm", tool_calls=[CALL]))

    assert text(told["message"]) == (
        '{"role":"assistant","content":null,"reasoning_content":"hm","tool_call_id":null,'
        '"tool_calls":[{"id":"1","name":"add","arguments":"{\\"a\\":1}"}]}'
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(reasoning_content="hm"), "without content"),
        (response(content="", finish="tool-calls"), "offers none"),
    ],
)
def test_version_1_without_tools_needs_content(answer: csi.ChatResponse, said: str) -> None:
    """With tools, or in version 2, it does not."""
    with pytest.raises(DaemonError, match=said) as raised:
        inference.chat_v1(REQUEST, answer)

    assert raised.value.kind is ErrorKind.CSI_UPSTREAM
    inference.chat_v1(WITH_TOOLS, answer)
    inference.chat_v2(REQUEST, answer)


def test_an_empty_answer_is_an_answer() -> None:
    """Only null is not."""
    told = inference.chat_v1(REQUEST, response(content=""))

    assert told["message"]["content"] == ""


def test_an_explanation_is_a_list_of_scores() -> None:
    """The granularity is required."""
    asked = {"prompt": "p", "target": "t", "model": "m", "granularity": "word"}

    request = msgspec.convert(asked, inference.Explanation)

    assert request.request() == csi.ExplanationRequest("p", "t", "m", "word")
    told = inference.explanation(request, [csi.TextScore(1, 2, 0.5)])
    assert text(told) == '[{"start":1,"length":2,"score":0.5}]'
    with pytest.raises(msgspec.ValidationError, match="granularity"):
        msgspec.convert({**asked, "granularity": "letter"}, inference.Explanation)
