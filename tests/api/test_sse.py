import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api import sse
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import (
    MessageAppend,
    MessageBegin,
    MessageEnd,
    Reasoning,
    StreamEvent,
    ToolBegin,
    ToolEnd,
    ToolFailed,
)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (MessageBegin(), 'event: message\ndata: {"type":"begin"}\n\n'),
        (MessageAppend("Hi"), 'event: message\ndata: {"type":"append","text":"Hi"}\n\n'),
        (MessageEnd(), 'event: message\ndata: {"type":"end","payload":null}\n\n'),
        (MessageEnd(b'"Stop"'), 'event: message\ndata: {"type":"end","payload":"Stop"}\n\n'),
        (Reasoning("hm"), 'event: reasoning\ndata: {"type":"reasoning","text":"hm"}\n\n'),
        (ToolBegin("add"), 'event: tool\ndata: {"type":"begin","name":"add"}\n\n'),
        (ToolEnd("add"), 'event: tool\ndata: {"type":"end","name":"add"}\n\n'),
        (
            ToolFailed("add", "no"),
            'event: tool\ndata: {"type":"error","name":"add","message":"no"}\n\n',
        ),
    ],
)
def test_the_bytes_of_every_event(item: StreamEvent, expected: str) -> None:
    """As in the contract."""
    assert sse.encode(item) == expected.encode()


def test_an_error_carries_message_and_code() -> None:
    """The last event."""
    assert sse.error(DaemonError(ErrorKind.SKILL_FAILED, "why")) == (
        b'event: error\ndata: {"message":"why","code":"skill-failed"}\n\n'
    )


@given(st.text())
def test_no_text_breaks_the_frame(text: str) -> None:
    """Line breaks of all kinds are escaped."""
    name, data, *end = sse.encode(MessageAppend(text)).split(b"\n")

    assert (name, end) == (b"event: message", [b"", b""])
    assert json.loads(data.removeprefix(b"data: ")) == {"type": "append", "text": text}


@pytest.mark.parametrize("payload", [b'{\n "a": 1\n}', b"[1,\r\n2]", b" 1 "])
def test_a_payload_on_several_lines_is_put_on_one(payload: bytes) -> None:
    """A line break in it would end the event."""
    _, data, *end = sse.encode(MessageEnd(payload)).split(b"\n")

    assert end == [b"", b""]
    assert b"\r" not in data
    assert json.loads(data.removeprefix(b"data: "))["payload"] == json.loads(payload)
