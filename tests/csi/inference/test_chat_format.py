import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from daemon.csi import interface as csi
from daemon.csi.inference.chat_format import ChatReader, decode_chat, encode_chat
from daemon.csi.inference.failures import Asked
from daemon.errors import DaemonError, ErrorKind
from tests.lies import answered_or_refused, lies

ASKED = Asked("chat/completions", "large", "s3cret")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
LOGPROB = {"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}
A = csi.Distribution(csi.Logprob(b"a", -1.0))


def encoded(*messages: csi.Message, params: csi.ChatParams | None = None) -> dict[str, Any]:
    """The body of a request, as the backend reads it."""
    request = csi.ChatRequest("m", list(messages), params or csi.ChatParams())
    body: dict[str, Any] = json.loads(encode_chat(request))
    return body


def answer(message: dict[str, Any], **choice: Any) -> csi.ChatResponse:
    """A whole answer with *message*, decoded."""
    choices = [{"index": 0, "message": message, "finish_reason": "stop", **choice}]
    return decode_chat(json.dumps({"choices": choices, "usage": USAGE}).encode(), ASKED)


def read(*chunks: dict[str, Any]) -> list[csi.InferenceEvent]:
    """The events of a stream of one choice, without its beginning."""
    reader = ChatReader(ASKED)
    texts = [json.dumps({"choices": [chunk]}) for chunk in chunks]
    begin, *events = [event for text in texts for event in reader.read(text)]
    assert begin == csi.Begin("assistant")
    reader.finish()
    return events


def delta(**said: Any) -> dict[str, Any]:
    """A chunk's choice."""
    return {"index": 0, "delta": said}


END = {"index": 0, "delta": {}, "finish_reason": "stop"}


def test_what_is_not_set_is_left_out() -> None:
    """The backend's own defaults hold."""
    assert encoded() == {"model": "m", "messages": []}


def test_all_messages_are_spelled_as_openai_does() -> None:
    """Roles in lower case, tool calls nested, absent content absent; reasoning is not sent back."""
    call = csi.ToolCall("c1", "add", '{"a":1}')

    body = encoded(
        csi.OtherMessage("System", "be kind"),
        csi.OtherMessage("DEVELOPER", "be quick"),
        csi.AssistantMessage(reasoning_content="hm", tool_calls=[call]),
        csi.ToolMessage("2", "c1"),
        csi.OtherMessage("tool", "3"),
        csi.AssistantMessage("two"),
    )

    function = {"name": "add", "arguments": '{"a":1}'}
    assert body["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "developer", "content": "be quick"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
        {"role": "tool", "content": "3", "tool_call_id": ""},
        {"role": "assistant", "content": "two"},
    ]


def test_plain_parameters_keep_names_and_digits() -> None:
    """Numbers, parallel calls and reasoning effort go as they are."""
    params = csi.ChatParams(
        max_tokens=1,
        max_completion_tokens=2,
        temperature=0.3,
        top_p=0.9,
        frequency_penalty=-0.5,
        presence_penalty=0.0,
        parallel_tool_calls=False,
        reasoning_effort="minimal",
    )

    assert encoded(params=params) == {
        "model": "m",
        "messages": [],
        "max_tokens": 1,
        "max_completion_tokens": 2,
        "temperature": 0.3,
        "top_p": 0.9,
        "frequency_penalty": -0.5,
        "presence_penalty": 0.0,
        "parallel_tool_calls": False,
        "reasoning_effort": "minimal",
    }


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [("no", {}), ("sampled", {"logprobs": True, "top_logprobs": 1}),
     (0, {"logprobs": True, "top_logprobs": 0}), (5, {"logprobs": True, "top_logprobs": 5})],
)  # fmt: skip
def test_logprobs_are_asked_for_as_many_as_wanted(
    wanted: csi.Logprobs, fields: dict[str, Any]
) -> None:
    """`sampled` asks for one, for some backends give none otherwise."""
    body = encoded(params=csi.ChatParams(logprobs=wanted))

    assert {k: v for k, v in body.items() if "logprobs" in k} == fields


def test_tools_are_functions_with_their_schema() -> None:
    """The schema is passed on as JSON, what a tool leaves open is left out."""
    tools = [csi.Function("add", "Adds.", b'{"type": "object"}', strict=True), csi.Function("now")]

    assert encoded(params=csi.ChatParams(tools=tools))["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "add",
                "description": "Adds.",
                "parameters": {"type": "object"},
                "strict": True,
            },
        },
        {"type": "function", "function": {"name": "now"}},
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [("none", "none"), ("auto", "auto"), ("required", "required"),
     (csi.NamedTool("add"), {"type": "function", "function": {"name": "add"}})],
)  # fmt: skip
def test_tool_choice_is_a_word_or_a_function(choice: csi.ToolChoice, sent: object) -> None:
    """A named tool becomes the object that OpenAI wants."""
    assert encoded(params=csi.ChatParams(tool_choice=choice))["tool_choice"] == sent


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [("text", {"type": "text"}), ("json-object", {"type": "json_object"}),
     (csi.JsonSchema("s", "d", b'{"type":"array"}', strict=False),
      {"type": "json_schema", "json_schema": {"name": "s", "description": "d",
       "schema": {"type": "array"}, "strict": False}}),
     (csi.JsonSchema("s"), {"type": "json_schema", "json_schema": {"name": "s"}})],
)  # fmt: skip
def test_response_formats(wanted: csi.ResponseFormat, sent: object) -> None:
    """Words are spelled with underscores, a schema is nested under its name."""
    assert encoded(params=csi.ChatParams(response_format=wanted))["response_format"] == sent


@pytest.mark.parametrize("schema", [b"{", b'{}, "model": "other"', b"", b"[" * 100_000])
def test_a_schema_that_is_not_json_is_the_callers_mistake(schema: bytes) -> None:
    """It is refused before anything is sent, and can't smuggle other fields in."""
    for params in (
        csi.ChatParams(tools=[csi.Function("add", parameters=schema)]),
        csi.ChatParams(response_format=csi.JsonSchema("add", schema=schema)),
    ):
        with pytest.raises(DaemonError, match="'add'") as caught:
            encoded(params=params)
        assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


def test_a_stream_asks_for_its_usage() -> None:
    """Backends count tokens of streams only on request."""
    body = json.loads(encode_chat(csi.ChatRequest("m", []), stream=True))

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_an_unknown_role_is_refused_with_the_known_ones() -> None:
    """No request is made for a role that no backend knows."""
    with pytest.raises(DaemonError, match=r"'owl'.*user, assistant, system, tool, developer"):
        encoded(csi.OtherMessage("owl", ""))


def test_a_whole_answer_with_tool_calls() -> None:
    """Content may be null; arguments stay the text that the model wrote."""
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{oops"}}

    found = answer({"role": "assistant", "content": None, "tool_calls": [call]},
                   finish_reason="tool_calls")  # fmt: skip

    message = csi.AssistantMessage(tool_calls=[csi.ToolCall("c1", "add", "{oops")])
    assert found == csi.ChatResponse(message, "tool-calls", csi.TokenUsage(3, 2))


@pytest.mark.parametrize(
    ("message", "reasoning", "content"),
    [
        ({"content": "b", "reasoning_content": "a"}, "a", "b"),
        ({"content": "b", "reasoning": "a"}, "a", "b"),
        ({"content": "\n<think>a</think>b"}, "a", "b"),
        ({"content": "<think>a"}, "a", None),
        ({"content": "<think>x</think>b", "reasoning": "a"}, "a", "<think>x</think>b"),
        ({"content": ""}, None, ""),
    ],
)
def test_reasoning_is_told_from_the_answer(
    message: dict[str, Any], reasoning: str | None, content: str | None
) -> None:
    """A field of its own wins over tags."""
    found = answer(message).message

    assert (found.reasoning_content, found.content) == (reasoning, content)


def test_logprob_tokens_come_from_bytes_where_given() -> None:
    """A token may be a part of a character, which its text can't show."""
    top = [{"token": "b", "logprob": -2.0}]
    content = [{"token": "\\xf0", "logprob": -1.0, "bytes": [240, 159], "top_logprobs": top}]

    found = answer({"content": "🦉"}, logprobs={"content": content})

    sampled = csi.Logprob(b"\xf0\x9f", -1.0)
    assert found.logprobs == [csi.Distribution(sampled, [csi.Logprob(b"b", -2.0)])]


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [], "usage": USAGE},
        {"choices": [{"message": {}, "finish_reason": "stop"}]},
        {"choices": [{"message": {}}], "usage": USAGE},
        {"choices": [{"message": {}, "finish_reason": "bored"}], "usage": USAGE},
        {"choices": [{"message": {"tool_calls": [{"id": "1"}]}, "finish_reason": "stop"}],
         "usage": USAGE},
        {"choices": [{"message": {}, "finish_reason": "stop",
                      "logprobs": {"content": [{**LOGPROB, "bytes": [999]}]}}], "usage": USAGE},
    ],
)  # fmt: skip
def test_an_answer_without_what_was_promised_is_malformed(body: object) -> None:
    """Choice, finish reason, usage, a tool's name and true bytes can't be made up."""
    with pytest.raises(DaemonError, match="malformed") as caught:
        decode_chat(msgspec.json.encode(body), ASKED)

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


def test_an_error_in_place_of_an_answer_names_the_model() -> None:
    """Some backends send errors with status 200."""
    with pytest.raises(DaemonError, match="'large'") as caught:
        decode_chat(b'{"error":{"code":"model_not_found","message":"s3cret"}}', ASKED)

    assert caught.value.kind is ErrorKind.CSI_UNKNOWN_MODEL


def test_an_unknown_finish_reason_is_quoted_without_the_token() -> None:
    """A backend that echoes what it was sent gives nothing away."""
    with pytest.raises(DaemonError, match=r"'\*{8}'"):
        answer({}, finish_reason="s3cret")


def test_one_chunk_yields_all_it_holds() -> None:
    """Reasoning, text, tool calls, end and usage of one chunk, in this order."""
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    choice = {**delta(role="assistant", content=" <think>a</think>b", tool_calls=[call]),
              "finish_reason": "function_call"}  # fmt: skip

    events = ChatReader(ASKED).read(json.dumps({"choices": [choice], "usage": USAGE}))

    assert events == [
        csi.Begin("assistant"),
        csi.ReasoningDelta("a"),
        csi.Append("b"),
        csi.ToolCallDelta([csi.ToolCallChunk(0, "1", "f", "{}")]),
        csi.End("tool-calls"),
        csi.Usage(csi.TokenUsage(3, 2)),
    ]


def test_tool_calls_arrive_in_pieces() -> None:
    """Each piece tells which call it belongs to and what is new."""
    first = {"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "2", "function": {"name": "g", "arguments": "{"}}

    rest = {"index": 1, "function": {"arguments": "}"}}

    events = read(delta(tool_calls=[first, second]), delta(tool_calls=[rest]), END)

    begun = [csi.ToolCallChunk(0, "1", "f", ""), csi.ToolCallChunk(1, "2", "g", "{")]
    assert events == [
        csi.ToolCallDelta(begun),
        csi.ToolCallDelta([csi.ToolCallChunk(1, arguments="}")]),
        csi.End("stop"),
    ]


def test_a_message_begins_and_ends_once() -> None:
    """However often a backend repeats the role or the end, or leaves the role out."""
    assert read(delta(content="a"), delta(role="assistant", content="b"), END, END) == [
        csi.Append("a"),
        csi.Append("b"),
        csi.End("stop"),
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_fields_turn_tags_into_text(name: str) -> None:
    """A backend that splits reasoning itself has no tags to be looked for."""
    assert read(delta(**{name: "a"}), delta(content="<think>b"), END) == [
        csi.ReasoningDelta("a"),
        csi.Append("<think>b"),
        csi.End("stop"),
    ]


def test_tags_split_over_chunks_and_held_text_is_not_lost() -> None:
    """Text that may be a tag waits; the end of the message decides."""
    pieces = [delta(content=text) for text in (" <th", "ink>a</thi", "nk>b")]
    assert read(*pieces, END) == [csi.ReasoningDelta("a"), csi.Append("b"), csi.End("stop")]

    assert read(delta(content="<th"), END) == [csi.Append("<th"), csi.End("stop")]


def test_logprobs_of_a_chunk_without_text_join_the_next() -> None:
    """A character of several tokens has one chunk with text and some without."""
    bare = {**delta(content=""), "logprobs": {"content": [LOGPROB]}}
    full = {**delta(content="ü"), "logprobs": {"content": [LOGPROB]}}

    assert read(bare, full, END) == [csi.Append("ü", [A, A]), csi.End("stop")]
    assert read(delta(content="x"), bare, END) == [
        csi.Append("x"),
        csi.Append("", [A]),
        csi.End("stop"),
    ]


def test_logprobs_of_reasoning_and_tool_calls_are_dropped() -> None:
    """They belong to no text of the answer."""
    logprobs = {"content": [LOGPROB]}
    thought = {**delta(reasoning="a"), "logprobs": logprobs}
    call = {**delta(tool_calls=[{"index": 0, "id": "1"}]), "logprobs": logprobs}

    assert read(thought, call, delta(content="b"), END)[-2:] == [csi.Append("b"), csi.End("stop")]


def test_chunks_that_say_nothing_yield_nothing() -> None:
    """Such as those with filter results, before the first choice."""
    assert ChatReader(ASKED).read('{"choices": [], "prompt_filter_results": []}') == []
    assert ChatReader(ASKED).read('{"choices": null, "usage": null}') == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ('{"error":{"message":"slow down","code":"rate_limit_exceeded"}}',
         ErrorKind.CSI_RATE_LIMITED),
        ('{"object":"error","message":"too long","type":"BadRequestError","code":400}',
         ErrorKind.CSI_BAD_REQUEST),
        ('{"choices":[{"delta":{},"finish_reason":"error"}],"error":{"code":"invalid_api_key"}}',
         ErrorKind.CSI_UNAUTHORIZED),
        ('{"choices":[{"delta":', ErrorKind.CSI_UPSTREAM),
        ("[" * 100_000, ErrorKind.CSI_UPSTREAM),
        ('{"x":' * 100_000, ErrorKind.CSI_UPSTREAM),
        ('{"choices":[{"delta":{"content":7}}]}', ErrorKind.CSI_UPSTREAM),
    ],
)  # fmt: skip
def test_errors_inside_a_stream_keep_their_kind(data: str, kind: ErrorKind) -> None:
    """Whether the backend tells them or sends nonsense."""
    with pytest.raises(DaemonError) as caught:
        ChatReader(ASKED).read(data)

    assert caught.value.kind is kind


def test_a_stream_without_end_is_malformed() -> None:
    """Half an answer is not passed off as a whole one."""
    reader = ChatReader(ASKED)
    reader.read(json.dumps({"choices": [delta(content="a")]}))

    with pytest.raises(DaemonError, match="ended before the message did"):
        reader.finish()


def test_choices_that_nobody_asked_for_are_left_out() -> None:
    """Also where they come between, or first."""
    other = {"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}
    reader = ChatReader(ASKED)
    chunks = [[other, delta(content="a")], [other], [delta(content="b")], [END]]

    found = [one for it in chunks for one in reader.read(json.dumps({"choices": it}))]

    assert found == [csi.Begin("assistant"), csi.Append("a"), csi.Append("b"), csi.End("stop")]


def test_pieces_of_several_tool_calls_may_alternate() -> None:
    """Each names the call that it belongs to."""
    pieces = [(0, "a", "{"), (1, "b", "["), (0, None, "}"), (1, None, "]")]
    chunks = [
        delta(tool_calls=[{"index": index, "id": name, "function": {"arguments": text}}])
        for index, name, text in pieces
    ]

    assert read(*chunks, END | {"finish_reason": "tool_calls"}) == [
        *(
            csi.ToolCallDelta([csi.ToolCallChunk(index, name, None, text)])
            for index, name, text in pieces
        ),
        csi.End("tool-calls"),
    ]


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "n", "arguments": "{}"}}
SAID = {"role": "assistant", "content": "<think>a</think>b", "tool_calls": [CALL]}
THOUGHT = {"role": "assistant", "content": "b", "reasoning": "a", "reasoning_content": "a"}
TOPPED = LOGPROB | {"bytes": [97], "top_logprobs": [LOGPROB]}
CHOICE = {"index": 0, "finish_reason": "stop", "logprobs": {"content": [TOPPED]}}
REST = {"usage": USAGE, "error": None, "object": "chat.completion"}


@given(lies(*({"choices": [CHOICE | {"message": said}]} | REST for said in (SAID, THOUGHT))))
def test_answers_that_lie_are_read_or_refused(body: bytes) -> None:
    """Whatever stands in any place."""
    answered_or_refused(lambda: decode_chat(body, ASKED), csi.ChatResponse)


@given(lies(*({"choices": [CHOICE | {"delta": said}]} | REST for said in (SAID, THOUGHT))))
def test_chunks_that_lie_are_read_or_refused(body: bytes) -> None:
    """As first or last ones."""

    def both() -> list[csi.InferenceEvent]:
        reader = ChatReader(ASKED)
        events = [event for _ in range(2) for event in reader.read(body.decode())]
        reader.finish()
        return events

    answered_or_refused(both, list[csi.InferenceEvent])
