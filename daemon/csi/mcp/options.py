"""
What the operator sets for MCP servers: a table per URL. Pure.

A token is set here and never in `namespace.toml`: who may edit a namespace could else read it, or
send it elsewhere. Leaves out where the tables come from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.csi.mcp.status import ServerOptions
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.secret import Secret
from daemon.units import parse_duration

_KEYS = frozenset({"token", "token-file", "connect-timeout", "call-timeout", "namespaces"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """One table."""

    options: ServerOptions
    namespaces: frozenset[str] | None


def parse_options(tables: Mapping[str, Any]) -> Callable[[Namespace, str], ServerOptions]:
    """
    Return what tells the options of a server, as a namespace names it by URL.

    A table may have `token` or `token-file`, `connect-timeout`, `call-timeout`, and `namespaces`:
    the only ones that it holds for. Raises DaemonError(CONFIGURATION).
    """
    entries = {url: _entry(url, table) for url, table in tables.items()}
    default = ServerOptions()

    def options(namespace: Namespace, url: str) -> ServerOptions:
        entry = entries.get(url)
        if entry is None or (entry.namespaces is not None and namespace not in entry.namespaces):
            return default
        return entry.options

    return options


def _entry(url: str, table: object) -> _Entry:
    place = f'mcp-servers."{url}"'
    if not isinstance(table, Mapping):
        raise _wrong(f"{place} must be a table")
    if unknown := sorted(table.keys() - _KEYS):
        raise _wrong(f"{place}: {unknown[0]} is not a key: choose from {', '.join(sorted(_KEYS))}")
    usual = ServerOptions()
    options = ServerOptions(
        token=_token(table, place),
        connect=_seconds(table, "connect-timeout", default=usual.connect, place=place),
        call=_seconds(table, "call-timeout", default=usual.call, place=place),
    )
    return _Entry(options, _namespaces(table, place))


def _token(table: Mapping[str, Any], place: str) -> Secret | None:
    value, file = table.get("token"), table.get("token-file")
    for one in (value, file):
        if one is not None and (not isinstance(one, str) or not one):
            raise _wrong(f"{place}: token and token-file must be texts in quotes")
    if value and file:
        raise _wrong(f"{place}: token and token-file exclude each other")
    return Secret(value or "", Path(file) if file else None) if value or file else None


def _seconds(table: Mapping[str, Any], key: str, *, default: float, place: str) -> float:
    text = table.get(key)
    if text is None:
        return default
    try:
        seconds = parse_duration(str(text))
    except ValueError as error:
        raise _wrong(f"{place}: {key}: {error}") from error
    if seconds <= 0:
        raise _wrong(f"{place}: {key} must be more than nothing")
    return seconds


def _namespaces(table: Mapping[str, Any], place: str) -> frozenset[str] | None:
    names = table.get("namespaces")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong(f"{place}: namespaces must be a list of texts in quotes")
    return frozenset(names)


def _wrong(message: str) -> DaemonError:
    return DaemonError(ErrorKind.CONFIGURATION, message)
