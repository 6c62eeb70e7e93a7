"""Worlds 0.4 and 0.5: everything is expressed as it is."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.worlds.v0_4 import INTERFACES
from tests.engine.worlds.calls import find, serve

_USAGE = csi.TokenUsage(1, 2)
_NO_PARAMS = (None,) * 6 + (("no", None),) + (None,) * 5


def _inference(name: str):  # type: ignore[no-untyped-def]
    return find(INTERFACES, "pharia:skill/inference@0.5.0", name)


def test_chat_with_everything() -> None:
    """Tools, schemas, choices; all kinds of messages."""
    params = (
        1,
        2,
        0.5,
        0.9,
        0.1,
        0.2,
        ("sampled", None),
        [("f", "does", b"{}", True)],
        ("named", "f"),
        False,
        ("json-schema", ("d", "n", b"{}", None)),
        "high",
    )
    talk = [
        ("assistant", (None, "hm", [("1", "f", "{}")])),
        ("tool", ("4", "1")),
        ("other", ("user", "x")),
    ]
    call = csi.ToolCall("1", "f", "{}")
    answer = csi.AssistantMessage(None, "hm", [call])
    reply = csi.ChatResponses([csi.ChatResponse(answer, "tool-calls", _USAGE)])

    told, asked = serve(_inference("chat"), [("m", talk, params)], replies=[reply])

    wanted = csi.ChatParams(
        1,
        2,
        0.5,
        0.9,
        0.1,
        0.2,
        "sampled",
        [csi.Function("f", "does", b"{}", True)],
        csi.NamedTool("f"),
        False,
        csi.JsonSchema("n", "d", b"{}"),
        "high",
    )
    messages: list[csi.Message] = [
        csi.AssistantMessage(None, "hm", [call]),
        csi.ToolMessage("4", "1"),
        csi.OtherMessage("user", "x"),
    ]
    assert asked == [csi.Chat([csi.ChatRequest("m", messages, wanted)])]
    assert told == [((None, "hm", [("1", "f", "{}")]), "tool-calls", [], (1, 2))]


@pytest.mark.parametrize(("choice", "expected"), [("none", "none"), ("required", "required")])
def test_choices_without_a_name(choice: str, expected: csi.ToolChoice) -> None:
    """And formats without a schema."""
    params = (*_NO_PARAMS[:8], (choice, None), None, ("json-object", None), None)

    _, asked = serve(_inference("chat"), [("m", [], params)], replies=[csi.ChatResponses([])])

    wanted = csi.ChatParams(tool_choice=expected, response_format="json-object")
    assert asked == [csi.Chat([csi.ChatRequest("m", [], wanted)])]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (csi.Begin("assistant"), ("message-begin", "assistant")),
        (csi.ReasoningDelta("hm"), ("reasoning", "hm")),
        (csi.Append("a"), ("message-append", ("a",))),
        (csi.End("tool-calls"), ("message-end", "tool-calls")),
        (csi.Usage(_USAGE), ("usage", (1, 2))),
        (
            csi.ToolCallDelta([csi.ToolCallChunk(0, "1", None, "{")]),
            ("tool-call", [(0, "1", None, "{")]),
        ),
    ],
)
def test_chat_events(event: csi.InferenceEvent, expected: object) -> None:
    """Each has its case."""
    next_event = _inference("[method]chat-stream.next")

    assert serve(next_event, 1, replies=[csi.StreamNext(event)])[0] == expected


def test_completion_streams_skip_what_is_not_theirs() -> None:
    """A completion has no message that begins."""
    events: list[csi.Reply] = [csi.StreamNext(csi.Begin("x")), csi.StreamNext(csi.End("stop"))]

    told, _ = serve(_inference("[method]completion-stream.next"), 1, replies=events)

    assert told == ("end", "stop")


def test_both_versions_offer_the_same() -> None:
    """0.5 has the content of 0.4."""
    names = [one.name for one in INTERFACES]

    assert len(names) == 12
    assert {name.replace("0.5.0", "0.4.0") for name in names} == set(names[:6])
