import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.settings import parse


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (parse.boolean, "Yes", True),
        (parse.boolean, "off", False),
        (parse.words, "a, b,,c", ("a", "b", "c")),
        (parse.words, ["a"], ("a",)),
        (parse.address, "[::1]:80", ("::1", 80)),
        (parse.whole, "0", 0),
        (parse.whole, 7, 7),
        (parse.ratio, "0.5", 0.5),
        (parse.size, "1Ki", 1024),
        (parse.budget, "0", 0),
        (parse.seconds, "1m", 60.0),
        (parse.span, "0s", 0.0),
        (parse.optional_text, "", None),
        (parse.optional_url, "", None),
        (parse.optional_url, "https://[::1]:80/v1?a=b", "https://[::1]:80/v1?a=b"),
        (parse.index_url, "embedded:/x", "embedded:/x"),
        (parse.optional_path, "", None),
    ],
)
def test_values_are_read_from_text_and_toml(
    parser: Callable[[object], object], text: object, value: object
) -> None:
    """The environment has only text, TOML has types."""
    assert parser(text) == value


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (parse.boolean, "maybe"),
        (parse.whole, True),
        (parse.whole, "-1"),
        (parse.whole, "1.5"),
        (parse.positive, "0"),
        (parse.ratio, "1.1"),
        (parse.seconds, "0s"),
        (parse.size, "0"),
        (parse.address, "localhost"),
        (parse.address, "localhost:99999"),
        (parse.policy, "fast"),
        (parse.table, "x"),
    ],
)
def test_other_values_are_refused(parser: Callable[[object], object], text: object) -> None:
    """With a ValueError, whose sentence `load` completes."""
    with pytest.raises(ValueError, match=r"\w"):
        parser(text)


@pytest.mark.parametrize(
    ("parser", "text", "told"),
    [
        (parse.whole, "²", "'²' is not a whole number: write it as 8"),
        (parse.whole, "--1", "'--1' is not a whole number"),
        (parse.whole, "1.5", "'1.5' is not a whole number"),
        (parse.ratio, "half", "'half' is not a number between 0 and 1: write it as 0.1"),
        (parse.ratio, "nan", "'nan' is not a number between 0 and 1"),
        (parse.address, "localhost:8²", "'localhost:8²' is not an address: write host:port"),
        (parse.optional_url, "model.example.com", "not an http or https URL: write it as https://"),
        (parse.optional_url, "http:///v1", "not an http or https URL"),
        (parse.index_url, "embed:/x", "not an http or https URL"),
        (parse.path, "~nobody-of-this-name/x", "no home directory is known: write it in full"),
        (parse.optional_path, "~nobody-of-this-name/x", "'~nobody-of-this-name/x': no home"),
    ],
)
def test_the_sentence_names_the_value_and_the_way_out(
    parser: Callable[[object], object], text: str, told: str
) -> None:
    """Python's own words would name neither."""
    with pytest.raises(ValueError, match=re.escape(told)):
        parser(text)


def test_a_bad_url_is_not_repeated() -> None:
    """It may hold a password, and errors are logged."""
    with pytest.raises(ValueError, match="URL") as caught:
        parse.optional_url("htps://me:hush@example.org")
    assert "hush" not in str(caught.value)


def test_home_is_understood() -> None:
    """As a shell would."""
    assert parse.path("~/x") == Path("~/x").expanduser()


@given(st.text(max_size=12))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    """Nothing else escapes."""
    for parser in (parse.whole, parse.ratio, parse.address, parse.boolean, parse.seconds):
        try:
            parser(text)
        except ValueError:
            continue
