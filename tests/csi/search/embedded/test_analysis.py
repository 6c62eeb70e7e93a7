"""Words are found whatever their case, accents and script."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.csi.search.embedded.analysis import words


def test_case_and_accents_make_no_difference() -> None:
    """Neither do compatibility forms."""
    assert words("Crème BRÛLÉE") == words("creme brulee") == ["creme", "brulee"]
    assert words("Straße") == ["strasse"]
    assert words("ﬁn") == ["fin"]


def test_scripts_without_spaces_become_pairs() -> None:
    """So that a part of a sentence is found in it."""
    assert words("東京都") == ["東京", "京都"]
    assert words("abc東") == ["abc", "東"]


@given(st.text())
def test_words_hold_nothing_that_a_query_language_knows(text: str) -> None:
    """Letters and digits only, bounded, and the same again when taken apart again."""
    found = words(text)

    assert all(0 < len(word) <= 64 for word in found)
    assert not set("".join(found)) & set(" \"'*:^()-+{}\0\n_")
    assert all(not (one.isascii() and not one.isalnum()) for word in found for one in word)
