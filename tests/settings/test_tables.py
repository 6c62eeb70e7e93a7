from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.settings import parse, tables


def test_what_is_missing_is_as_an_empty_text() -> None:
    """Whatever type it would have."""
    assert tables.value({}, "ca", parse.optional_path, at="r") is None
    assert tables.value({}, "plain-http", parse.boolean, at="r") is False
    assert tables.value({"plain-http": True}, "plain-http", parse.boolean, at="r") is True


def test_a_secret_stands_in_place_or_in_a_file() -> None:
    """A home directory is understood."""
    assert not tables.secret({}, "token", at="r")
    assert tables.secret({"token": "x"}, "token", at="r").reveal() == "x"
    found = tables.secret({"token-file": "~/x"}, "token", at="r")
    assert found.file == Path("~/x").expanduser()


@pytest.mark.parametrize("table", [7, "x", ["a"], {"usr": "x"}])
def test_what_is_no_such_table_is_refused(table: object) -> None:
    """By the name of the setting."""
    with pytest.raises(DaemonError, match="registries") as caught:
        tables.checked(table, {"user"}, at="registries")
    assert caught.value.kind is ErrorKind.CONFIGURATION


def test_a_bad_value_is_told_with_its_place() -> None:
    """And with what would be right."""
    with pytest.raises(DaemonError, match="r: plain-http: 'x' is neither true nor false"):
        tables.value({"plain-http": "x"}, "plain-http", parse.boolean, at="r")
