"""The order of a stream, and what counts as JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine.order import Order, check_json
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, Reasoning, StreamEvent

_BEGIN, _APPEND, _REASONING, _END = (
    MessageBegin(),
    MessageAppend("a"),
    Reasoning("r"),
    MessageEnd(None),
)


@given(st.lists(st.sampled_from([_BEGIN, _APPEND, _REASONING, _END])))
def test_an_order_is_fine_until_the_first_event_out_of_place(events: list[StreamEvent]) -> None:
    """Begin only outside of a message, everything else only within."""
    order, active = Order(), False
    for event in events:
        fits = active != isinstance(event, MessageBegin)
        if not fits:
            with pytest.raises(DaemonError) as caught:
                order.check(event)
            assert caught.value.kind is ErrorKind.STREAM_ORDER
            return
        order.check(event)
        active = not isinstance(event, MessageEnd)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (_APPEND, "a message append without a message begin"),
        (_REASONING, "reasoning without a message begin"),
        (_END, "a message end without a message begin"),
    ],
)
def test_the_text_names_the_broken_order(event: StreamEvent, text: str) -> None:
    """So that the Skill's developer finds the place."""
    with pytest.raises(DaemonError, match=text):
        Order().check(event)


def test_a_second_begin_is_named_as_such() -> None:
    """The one case that needs a message under way."""
    order = Order()
    order.check(_BEGIN)

    with pytest.raises(DaemonError, match="previous message has not ended"):
        order.check(_BEGIN)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"{} {}", b"NaN", b"[1,]", b'"\xff"', b"[" * 100_000, b"01", b'"\n"', b"nul"],
)
def test_what_is_not_one_json_value_is_refused(text: bytes) -> None:
    """Trailing text, other encodings and endless nesting included."""
    with pytest.raises(DaemonError) as caught:
        check_json(text)

    assert caught.value.kind is ErrorKind.INVALID_OUTPUT


@pytest.mark.parametrize("text", [b"null", b" {} ", b'"\xc3\xa4"', b"[1e999]", b'{"a":1,"a":2}'])
def test_json_is_accepted(text: bytes) -> None:
    """Whatever the grammar allows."""
    check_json(text)
