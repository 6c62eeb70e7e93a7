"""What is set and known."""

from daemon.csi.mcp.status import ServerOptions, shown
from daemon.secret import Secret


def test_urls_are_shown_without_secrets() -> None:
    """A query may hold a key."""
    assert shown("https://user:pw@mcp.example:8/a/mcp?key=1#x") == "https://mcp.example:8/a/mcp"


def test_options_do_not_show_their_token() -> None:
    """Wherever they are logged."""
    assert "hush" not in repr(ServerOptions(token=Secret("hush")))


def test_options_tell_sessions_apart() -> None:
    """Equal ones share a session."""
    assert ServerOptions(token=Secret("a")) == ServerOptions(token=Secret("a"))
    assert hash(ServerOptions(token=Secret("a"))) == hash(ServerOptions(token=Secret("a")))
    assert ServerOptions(token=Secret("a")) != ServerOptions(token=Secret("b"))
