"""The events of streams: names and data."""

import msgspec
import pytest

from daemon.api.csi import events, inference
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind

LOGPROBS = [csi.Distribution(csi.Logprob(b"a", -0.5))]
TOLD = '[{"sampled":{"token":[97],"logprob":-0.5},"top":[]}]'
USAGE = csi.Usage(csi.TokenUsage(3, 2))
CALL = csi.ToolCallDelta([csi.ToolCallChunk(0, "1", None, "{}")])
REQUEST = inference.Chat("m", [], inference.ChatParams(logprobs="no"))
TOOLS = [inference.Tool("add")]
WITH_TOOLS = inference.Chat("m", [], inference.ChatParams(logprobs="no", tools=TOOLS))

COMMON = [
    (csi.Begin("assistant"), ("message_begin", '{"role":"assistant"}')),
    (csi.End("tool-calls"), ("message_end", '{"finish_reason":"tool_calls"}')),
    (USAGE, ("usage", '{"usage":{"prompt":3,"completion":2}}')),
    (
        CALL,
        ("tool_call", '{"tool_calls":[{"index":0,"id":"1","name":null,"arguments":"{}"}]}'),
    ),
]


def text(event: events.Named | None) -> tuple[str, str] | None:
    """The data as JSON."""
    return None if event is None else (event[0], msgspec.json.encode(event[1]).decode())


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (csi.Append("a", LOGPROBS), ("append", f'{{"text":"a","logprobs":{TOLD}}}')),
        (csi.End("stop"), ("end", '{"finish_reason":"stop"}')),
        (USAGE, ("usage", '{"usage":{"prompt":3,"completion":2}}')),
        (csi.Begin("assistant"), None),
    ],
)
def test_events_of_completions(event: csi.InferenceEvent, told: tuple[str, str] | None) -> None:
    """The same in both versions."""
    assert text(events.completion(event)) == told


@pytest.mark.parametrize(
    ("event", "told"),
    [
        *COMMON,
        (csi.Append("a", LOGPROBS), ("message_append", f'{{"content":"a","logprobs":{TOLD}}}')),
        (csi.ReasoningDelta("hm"), None),
    ],
)
def test_events_of_chats_in_version_1(
    event: csi.InferenceEvent, told: tuple[str, str] | None
) -> None:
    """Reasoning is left out."""
    assert text(events.chat_v1(WITH_TOOLS)(event)) == told


@pytest.mark.parametrize(
    ("event", "told"),
    [
        *COMMON,
        (csi.Append("a", LOGPROBS), ("message_append", '{"content":"a"}')),
        (csi.ReasoningDelta("hm"), ("reasoning", '{"content":"hm"}')),
    ],
)
def test_events_of_chats_in_version_2(
    event: csi.InferenceEvent, told: tuple[str, str] | None
) -> None:
    """Log probabilities are left out."""
    assert text(events.chat_v2(REQUEST)(event)) == told


def test_version_1_takes_tool_calls_only_where_tools_are_offered() -> None:
    """Its clients did not expect any."""
    with pytest.raises(DaemonError, match="offers none") as raised:
        events.chat_v1(REQUEST)(CALL)

    assert raised.value.kind is ErrorKind.CSI_UPSTREAM
