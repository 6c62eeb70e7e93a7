import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.negotiation import choose_coding, prefers_text


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", True),
        ("text/plain, */*", True),
        ("Text/Plain;q=0.9, application/json;q=0.1", True),
        ("text/plain;q=0.5, application/json", False),
        ("text/plain, application/problem+json", False),
        ("text/plain;q=0", False),
        ("text/html", False),
    ],
)
def test_text_is_for_clients_that_name_it(accept: str, text: bool) -> None:
    """And like it better than JSON."""
    assert prefers_text(accept) is text


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", None),
        ("gzip, deflate, br", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("br", None),
        ("*", "gzip"),
        ("*, gzip;q=0", "deflate"),
        ("identity", None),
        ("gzip;q=nonsense", None),
    ],
)
def test_the_best_known_coding_is_chosen(accept: str, coding: str | None) -> None:
    """None where the client takes none of ours."""
    assert choose_coding(accept) == coding


@given(st.text())
def test_no_header_breaks_it(header: str) -> None:
    """Clients send anything."""
    assert prefers_text(header) in {True, False}
    assert choose_coding(header) in {None, "gzip", "deflate"}
