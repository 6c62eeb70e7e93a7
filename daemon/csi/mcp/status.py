"""
What is set and what is known about an MCP server, as plain values.

Leaves out how either comes about.
"""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from daemon.secret import Secret

State = Literal["connecting", "ready", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """
    What the operator sets for a server. Times are in seconds.

    `connect` limits the handshake with the first listing, and each later listing; `call` limits a
    tool call with all that it needs. A server that never answers an unknown method is asked for
    the newest protocol in vain for ten seconds, so a `connect` below that shuts it out.
    """

    token: Secret | None = field(default=None, repr=False)
    connect: float = 20.0
    call: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """
    How often what is done, in seconds.

    A lost server is tried again after `retry`, then after twice that, up to `refresh`. `first` is
    how long a Skill waits for the first listing of a server that was only just named.
    """

    refresh: float = 60.0
    retry: float = 1.0
    follow: float = 1.0
    first: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """
    What is known of one server of a namespace.

    `tools` are those that answer from here; `shadowed` are those that do not, since a native tool
    or an earlier server has one of that name. An unreachable server keeps its last listing.
    """

    url: str
    state: State
    tools: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()
    protocol_version: str | None = None
    server: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Tally:
    """
    What a connection went through since it was made; owned by it.

    `failures` are handshakes and listings. `unanswered` calls are those that could not be
    executed; what a tool itself calls an error is an answer. `seconds` is the time of all calls.
    """

    listings: int = 0
    failures: int = 0
    calls: int = 0
    unanswered: int = 0
    seconds: float = 0.0


def shown(url: str) -> str:
    """Return *url* without what may be secret in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
