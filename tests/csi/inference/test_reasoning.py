from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.csi.inference.reasoning import ThinkSplitter, split_answer

WORDS = st.lists(st.sampled_from(["<think>", "</think>", "<th", "</", " ", "\n", "a", "ä"]))


@given(WORDS.map("".join), st.lists(st.integers(0, 60)))
def test_any_cut_gives_what_the_whole_gives(text: str, cuts: list[int]) -> None:
    """Any cut gives what the whole gives."""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    splitter = ThinkSplitter()
    parts = [p for a, b in pairwise(edges) for p in splitter.feed(text[a:b])]
    parts += splitter.finish()
    reasoning, content = split_answer(text)
    assert "".join(t for kind, t in parts if kind == "reasoning") == (reasoning or "")
    assert "".join(t for kind, t in parts if kind == "content") == (content or "")
