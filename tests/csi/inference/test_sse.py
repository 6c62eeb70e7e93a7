from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.csi.inference.sse import OversizedEventError, SseEvent, SseParser

TEXT = "\ufeff: hi\r\ndata: ä\rdata:b\n\r\nevent: x\ndata: {}\n\nid: 1\n\n".encode()


@given(st.lists(st.integers(0, len(TEXT))))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    """Any cut gives the same events."""
    edges = [0, *sorted(cuts), len(TEXT)]
    parser = SseParser()
    found = [e for a, b in pairwise(edges) for e in parser.feed(TEXT[a:b])]
    assert found == [SseEvent("ä\nb"), SseEvent("{}", "x")]


def test_an_endless_event_is_refused() -> None:
    """An endless event is refused."""
    with pytest.raises(OversizedEventError):
        SseParser(max_event=10).feed(b"data: 0123456789abc")
