"""What an operator may set for MCP servers."""

from pathlib import Path
from typing import Any

import pytest

from daemon.csi.mcp.options import parse_options
from daemon.csi.mcp.status import ServerOptions
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.secret import Secret

URL = "https://mcp.example/mcp"
TEAM = Namespace("team")


def test_a_table_counts_for_its_url() -> None:
    """Others have the defaults."""
    options = parse_options(
        {URL: {"token-file": "/run/token", "connect-timeout": "5s", "call-timeout": "2m"}}
    )
    assert options(TEAM, URL) == ServerOptions(
        token=Secret(file=Path("/run/token")), connect=5, call=120
    )
    assert options(TEAM, "https://other.example/mcp") == ServerOptions()


def test_a_token_may_be_for_some_namespaces_only() -> None:
    """Whoever else names the URL comes without."""
    options = parse_options({URL: {"token": "hush", "namespaces": ["team"]}})
    assert options(TEAM, URL).token == Secret("hush")
    assert options(Namespace("other"), URL).token is None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("hush", "must be a table"),
        ({"tokn": "hush"}, "tokn is not a key: choose from call-timeout"),
        ({"token": 7}, "must be texts in quotes"),
        ({"token": ""}, "must be texts in quotes"),
        ({"token": "hush", "token-file": "/a"}, "exclude each other"),
        ({"call-timeout": "soon"}, "call-timeout: 'soon' is not a duration"),
        ({"connect-timeout": "0s"}, "connect-timeout must be more than nothing"),
        ({"namespaces": "team"}, "must be a list"),
    ],
)
def test_mistakes_are_named(table: Any, words: str) -> None:
    """With their place, and without the secret."""
    with pytest.raises(DaemonError, match=words) as raised:
        parse_options({URL: table})
    assert raised.value.kind is ErrorKind.CONFIGURATION
    assert URL in raised.value.detail
    assert "hush" not in raised.value.detail
