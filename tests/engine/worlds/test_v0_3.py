"""World 0.3: batches, streams, and what it has no words for."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.worlds.v0_3 import INTERFACES
from daemon.errors import DaemonError, ErrorKind
from tests.engine.worlds.calls import find, serve

_USAGE = csi.TokenUsage(1, 2)
_PARAMS = (None, None, None, None, [], False, None, None, ("no", None))
_CHAT_PARAMS = (None, None, None, None, None, ("top", 5))


def _inference(name: str):  # type: ignore[no-untyped-def]
    return find(INTERFACES, "pharia:skill/inference", name)


def test_complete_with_and_without_echo() -> None:
    """Version 2 of the function added one field."""
    logprob = csi.Logprob(b"a", -0.5)
    completion = csi.Completion("t", "stop", _USAGE, [csi.Distribution(logprob, [logprob])])
    reply = csi.Completions([completion])
    expected = [("t", "stop", [((b"a", -0.5), [(b"a", -0.5)])], (1, 2))]

    told, asked = serve(_inference("complete"), [("m", "p", _PARAMS)], replies=[reply])
    assert asked == [csi.Complete([csi.CompletionRequest("m", "p")])]
    assert told == expected

    told, asked = serve(_inference("complete-v2"), [("m", "p", (*_PARAMS, True))], replies=[reply])
    assert asked == [
        csi.Complete([csi.CompletionRequest("m", "p", csi.CompletionParams(echo=True))])
    ]
    assert told == expected


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("Assistant", csi.AssistantMessage("x")),
        ("assistant", csi.AssistantMessage("x")),
        ("user", csi.OtherMessage("user", "x")),
        ("poet", csi.OtherMessage("poet", "x")),
    ],
)
def test_roles_are_compared_without_case(role: str, message: csi.Message) -> None:
    """Whether a role is known is the driver's to say."""
    reply = csi.ChatResponses([csi.ChatResponse(csi.AssistantMessage("y", "why"), "stop", _USAGE)])

    told, asked = serve(_inference("chat"), [("m", [(role, "x")], _CHAT_PARAMS)], replies=[reply])

    assert asked == [csi.Chat([csi.ChatRequest("m", [message], csi.ChatParams(logprobs=5))])]
    assert told == [(("assistant", "y"), "stop", [], (1, 2))]  # reasoning is dropped


@pytest.mark.parametrize(
    "response",
    [
        csi.ChatResponse(csi.AssistantMessage(None), "stop", _USAGE),
        csi.ChatResponse(csi.AssistantMessage("x"), "tool-calls", _USAGE),
    ],
)
def test_answers_without_text_or_with_tool_calls_are_errors(response: csi.ChatResponse) -> None:
    """The world can't express them."""
    with pytest.raises(DaemonError) as caught:
        serve(
            _inference("chat"), [("m", [], _CHAT_PARAMS)], replies=[csi.ChatResponses([response])]
        )

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


def test_a_chat_stream_is_opened_and_read_without_reasoning() -> None:
    """Events that the world doesn't know are left out, not ended with."""
    opened, asked = serve(
        _inference("[constructor]chat-stream"),
        ("m", [("user", "x")], _CHAT_PARAMS),
        replies=[csi.StreamOpened(7)],
    )
    request = csi.ChatRequest("m", [csi.OtherMessage("user", "x")], csi.ChatParams(logprobs=5))
    assert (opened, asked) == (7, [csi.OpenChatStream(request)])

    events: list[csi.Reply] = [
        csi.StreamNext(csi.ReasoningDelta("hm")),
        csi.StreamNext(csi.Append("yes")),
    ]
    told, asked = serve(_inference("[method]chat-stream.next"), 7, replies=events)
    assert asked == [csi.NextEvent(7), csi.NextEvent(7)]
    assert told == ("message-append", ("yes", []))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (csi.Begin("assistant"), ("message-begin", "assistant")),
        (csi.End("stop"), ("message-end", "stop")),
        (csi.Usage(_USAGE), ("usage", (1, 2))),
        (None, None),
    ],
)
def test_chat_events(event: csi.InferenceEvent | None, expected: object) -> None:
    """None is the end of the stream."""
    next_event = _inference("[method]chat-stream.next")

    assert serve(next_event, 1, replies=[csi.StreamNext(event)])[0] == expected


@pytest.mark.parametrize("event", [csi.End("tool-calls"), csi.ToolCallDelta([])])
def test_tool_calls_in_a_stream_are_errors(event: csi.InferenceEvent) -> None:
    """Nobody asked for tools in this world."""
    with pytest.raises(DaemonError):
        serve(_inference("[method]chat-stream.next"), 1, replies=[csi.StreamNext(event)])


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (csi.Append("a"), ("append", ("a", []))),
        (csi.End("length"), ("end", "length")),
        (csi.Usage(_USAGE), ("usage", (1, 2))),
    ],
)
def test_completion_events(event: csi.InferenceEvent, expected: object) -> None:
    """And the request is that without echo."""
    opened, asked = serve(
        _inference("[constructor]completion-stream"),
        ("m", "p", _PARAMS),
        replies=[csi.StreamOpened(1)],
    )
    assert (opened, asked) == (1, [csi.OpenCompletionStream(csi.CompletionRequest("m", "p"))])

    next_event = _inference("[method]completion-stream.next")
    assert serve(next_event, 1, replies=[csi.StreamNext(event)])[0] == expected


def test_explain() -> None:
    """The only world with it."""
    reply = csi.Explanations([[csi.TextScore(0, 4, 0.5)]])

    told, asked = serve(_inference("explain"), [("p", "t", "m", "word")], replies=[reply])

    assert asked == [csi.Explain([csi.ExplanationRequest("p", "t", "m", "word")])]
    assert told == [[(0, 4, 0.5)]]
