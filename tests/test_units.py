import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.units import parse_duration, parse_size, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("4Gi", 4 << 30),
        ("2GiB", 2 << 30),
        ("500MB", 500_000_000),
        ("1.5 KiB", 1536),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    """Binary and decimal prefixes, with or without the B."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "4 Quux", "-1", "1e3", "9" * 400, "9" * 300 + "P"])
def test_what_is_no_size_is_refused_with_the_form(text: str) -> None:
    """The error shows how to write it."""
    with pytest.raises(ValueError, match="512MiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("10s", 10), ("1m 30s", 90), ("1m30s", 90), ("PT1M30S", 90), ("P1D", 86400)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    """Friendly units and ISO 8601."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "10 parsecs", "P", "PT", "-1s", "s"])
def test_what_is_no_duration_is_refused_with_the_form(text: str) -> None:
    """A bare number has no unit, so it is refused."""
    with pytest.raises(ValueError, match="1m 30s"):
        parse_duration(text)


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    """Nothing else escapes, whatever a file holds."""
    for parse in (parse_size, parse_duration):
        try:
            assert parse(text) >= 0
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue Nov 14 22:13:50 2023", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, wait: float) -> None:
    """All three date formats of HTTP count from now, and the past means at once."""
    assert retry_after(header, now=NOW) == wait


@pytest.mark.parametrize(
    "header", ["99999999", "9" * 5000, "9" * 400 + ".5", "Fri, 31 Dec 9999 23:59:59 -1200"]
)
def test_no_server_keeps_us_away_for_longer_than_an_hour(header: str) -> None:
    """Whatever it asks for."""
    assert retry_after(header, now=NOW) == 3600.0


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "soon",
        "-5",
        "nan",
        "inf",
        "1e400",
        "1_000",
        "\u00b2",
        "\u0663",
        "Tue, 99 Nov 2023 22:13:50 GMT",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Tue, 14 Nov 2023 22:13:50 +9999",
    ],
)
def test_a_retry_after_that_is_neither_counts_as_none(header: str | None) -> None:
    """Also a date of no calendar, which Python's parser fails on in its own ways."""
    assert retry_after(header, now=NOW) is None


@given(st.text(max_size=40) | st.from_regex(r"\w+, \d+ Jan \d+ \d+:\d+:\d+ [+-]?\w+"))
def test_any_header_is_a_wait_or_none(header: str) -> None:
    """Nothing escapes, whatever a server sends."""
    wait = retry_after(header, now=NOW)

    assert wait is None or 0 <= wait <= 3600
