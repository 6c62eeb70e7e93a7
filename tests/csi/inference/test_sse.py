from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.csi.inference.sse import OversizedEventError, SseEvent, SseParser

TEXT = "\ufeff: hi\r\ndata: ä\rdata:b\n\r\nevent: x\ndata: {}\n\nid: 1\n\n".encode()


@given(st.lists(st.integers(0, len(TEXT))))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    """Marks of order, comments, all three line ends and characters may be cut anywhere."""
    edges = [0, *sorted(cuts), len(TEXT)]
    parser = SseParser()
    found = [e for a, b in pairwise(edges) for e in parser.feed(TEXT[a:b])]
    assert found == [SseEvent("ä\nb"), SseEvent("{}", "x")]


def test_an_endless_event_is_refused() -> None:
    """A backend that never ends a line, or never stops adding lines, fills no memory."""
    with pytest.raises(OversizedEventError):
        SseParser(max_event=10).feed(b"data: 0123456789abc")
    parser = SseParser(max_event=10)
    parser.feed(b"data: 01234\n")
    with pytest.raises(OversizedEventError):
        parser.feed(b"data: 56789\n")


def test_many_events_may_be_larger_than_one_may_be() -> None:
    """The bound is on one event, however many arrive together."""
    assert len(SseParser(max_event=10).feed(b"data: 01234\n\n" * 100)) == 100


def test_fields_without_meaning_here_are_skipped() -> None:
    """Comments, ids, reconnection times and unknown fields make no event."""
    assert SseParser().feed(b": hi\n\nid: 1\nretry: 2\nfoo\nevent: x\n\n") == []
    assert SseParser().feed(b"data\n\n") == [SseEvent("")]


def test_an_unfinished_event_is_never_told() -> None:
    """Only an empty line ends an event."""
    assert SseParser().feed(b"data: {}\n") == []
