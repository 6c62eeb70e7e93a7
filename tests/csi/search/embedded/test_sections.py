"""Texts are cut where a reader would."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.csi.search.embedded.sections import Span, split


def pieces(text: str, **sizes: int) -> list[str]:
    """The texts of the sections."""
    return [text[span.start : span.end] for span in split(text, **sizes)]


def test_a_heading_begins_a_section_and_keeps_its_text() -> None:
    """Headings in a row stay together."""
    text = "Intro.\n\n# One\n## Sub\n\nFirst.\n\n# Two\nSecond.\n"

    assert pieces(text) == ["Intro.", "# One\n## Sub\n\nFirst.", "# Two\nSecond."]


def test_paragraphs_are_put_together_up_to_a_handy_size() -> None:
    """And no further."""
    text = "aaaa\n\nbbbb\n\ncccc"

    assert pieces(text, handy=11) == ["aaaa\n\nbbbb", "cccc"]


def test_fenced_code_is_kept_together() -> None:
    """Its comments are no headings, its blank lines part nothing."""
    text = "```\n# no heading\n\nx = 1\n```\n"

    assert pieces(text, handy=5) == ["```\n# no heading\n\nx = 1\n```"]


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    """Then at a space, then anywhere."""
    assert pieces("One two three. Four five six", longest=20) == ["One two three.", "Four five six"]
    assert pieces("aaaa bbbb cccc", longest=11) == ["aaaa bbbb", "cccc"]
    assert pieces("a" * 25, longest=10) == ["a" * 10, "a" * 10, "a" * 5]


TEXTS = st.text(st.sampled_from("ab .\n#`\t\u3042"), max_size=300)


@given(TEXTS, st.integers(1, 50), st.integers(2, 60))
def test_nothing_is_lost_or_found_twice(text: str, handy: int, longest: int) -> None:
    """Sections follow each other; between them there is only white space."""
    at = 0
    for span in split(text, handy=handy, longest=longest):
        assert at <= span.start < span.end
        assert span.end - span.start <= longest
        assert not text[at : span.start].strip()
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        at = span.end

    assert not text[at:].strip()


def test_white_space_has_no_sections() -> None:
    """Nor has nothing."""
    assert split(" \n\n ") == []
    assert split("x") == [Span(0, 1)]
