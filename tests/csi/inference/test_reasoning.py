from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.csi.inference.reasoning import ThinkSplitter, split_answer

WORDS = st.lists(st.sampled_from(["<think>", "</think>", "<th", "</", " ", "\n", "a", "ä"]))


@given(WORDS.map("".join), st.lists(st.integers(0, 60)))
def test_any_cut_gives_what_the_whole_gives(text: str, cuts: list[int]) -> None:
    """However a stream cuts the text, and the tags, it says what the whole answer says."""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    splitter = ThinkSplitter()
    parts = [p for a, b in pairwise(edges) for p in splitter.feed(text[a:b])]
    parts += splitter.finish()
    reasoning, content = split_answer(text)
    assert "".join(t for kind, t in parts if kind == "reasoning") == (reasoning or "")
    assert "".join(t for kind, t in parts if kind == "content") == (content or "")


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("<think>a</think>b", "a", "b"),
        ("\n <think>a</think>\nb", "a", "\nb"),
        ("<think></think>b", "", "b"),
        ("<think>a", "a", None),
        ("a <think>b</think>", None, "a <think>b</think>"),
        ("<think>a</think><think>b</think>", "a", "<think>b</think>"),
        ("", None, ""),
    ],
)
def test_only_a_tag_at_the_beginning_counts(
    text: str, reasoning: str | None, content: str | None
) -> None:
    """Later tags are text that the model talks about; without an end all is reasoning."""
    assert split_answer(text) == (reasoning, content)


def test_text_is_passed_on_as_soon_as_it_is_certain() -> None:
    """Nothing but a possible tag is held back."""
    splitter = ThinkSplitter()

    assert splitter.feed("<think>ab") == [("reasoning", "ab")]
    assert splitter.feed("c</th") == [("reasoning", "c")]
    assert splitter.feed("at") == [("reasoning", "</that")]
    assert splitter.feed("</think>d") == [("content", "d")]
    assert splitter.finish() == []
