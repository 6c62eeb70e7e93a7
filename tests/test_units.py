import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.units import parse_duration, parse_size


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


@pytest.mark.parametrize("text", ["", "many", "4 Quux", "-1", "1e3"])
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
