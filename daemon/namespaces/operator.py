"""
Namespaces that the operator configures, in `config.toml` or the environment. Pure.

Three kinds, told apart by their key: `config-url` (a team's file elsewhere), `directory` (local
development: each `*.wasm` in it is a Skill) and `skills` (in place). Leaves out fetching.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.names import InvalidNameError, Namespace
from daemon.namespaces.config import (
    REGISTRY_KEYS,
    TOP_KEYS,
    NamespaceConfig,
    read,
    read_mcp_servers,
    read_native_tools,
    registry_ref,
    url_problem,
)
from daemon.namespaces.positions import Positions
from daemon.namespaces.problems import Reader, shown
from daemon.namespaces.status import Problem
from daemon.secret import Secret
from daemon.settings import parse
from daemon.skill import RegistryRef

_LOGIN_KEYS = ("registry-user", "registry-password", "registry-password-file")
_TOKEN_KEYS = ("config-access-token", "config-access-token-file")
_TOOL_KEYS = ("mcp-servers", "native-tools")
_KINDS = ("config-url", "directory", "skills")
_KNOWN = {
    "config-url": ("config-url", *_TOKEN_KEYS, *REGISTRY_KEYS, *_LOGIN_KEYS),
    "directory": ("directory", *_TOOL_KEYS),
    "skills": ("skills", *_TOOL_KEYS, *REGISTRY_KEYS, *_LOGIN_KEYS),
}
_SOURCE = "settings"


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials of the operator for one registry."""

    registry: RegistryRef
    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class RemoteNamespace:
    """A team's file at an http, https or file URL; `token` is sent as a bearer token."""

    url: str
    token: Secret = field(default_factory=Secret)
    registry: RegistryRef | None = None
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class WatchedDirectory:
    """Each `*.wasm` file in the directory is a Skill, its stem the name."""

    directory: Path
    native_tools: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InPlace:
    """The settings are the file."""

    config: NamespaceConfig
    problems: tuple[Problem, ...] = ()
    login: Login | None = None


OperatorNamespace = RemoteNamespace | WatchedDirectory | InPlace
Operators = Mapping[Namespace, OperatorNamespace]


def parse_operators(raw: Mapping[str, Any]) -> tuple[Operators, tuple[Problem, ...]]:
    """
    Return the good namespaces among the tables of the setting `namespaces`, and all problems.

    A start should fail on problems: nothing was served yet, and the operator is looking.
    """
    good: dict[Namespace, OperatorNamespace] = {}
    problems: list[Problem] = []
    for key, table in raw.items():
        reader = Reader(_SOURCE)
        namespace = _namespace(key, table, reader=reader)
        if namespace is not None:
            good[namespace[0]] = namespace[1]
        problems += reader.sorted()
    return good, tuple(problems)


def logins(operators: Operators) -> tuple[Login, ...]:
    """Return the registry credentials that stand beside the namespaces."""
    return tuple(
        one.login
        for one in operators.values()
        if isinstance(one, RemoteNamespace | InPlace) and one.login is not None
    )


def _namespace(
    key: str, table: object, *, reader: Reader
) -> tuple[Namespace, OperatorNamespace] | None:
    at = ("namespaces", key)
    try:
        name = Namespace(key)
    except InvalidNameError as error:
        reader.report(at, str(error))
        return None
    if not isinstance(table, Mapping):
        reader.report(at, f"must be a table, not {shown(table)}")
        return None
    kind = next((kind for kind in _KINDS if kind in table), None)
    if kind is None:
        every = tuple(sorted({known for keys in _KNOWN.values() for known in keys}))
        reader.known_keys(table, every, at=at)
        reader.report(at, f"one of {', '.join(f'`{kind}`' for kind in _KINDS)} is missing")
        return None
    # Known words first: `registry-user` is no stranger here, unlike in a team's file.
    reader.known_keys(table, _KNOWN[kind], at=at)
    made = _made(kind, table, reader=reader, at=at)
    return (name, made) if made is not None and not reader.problems else None


def _made(
    kind: str, table: Mapping[str, Any], *, reader: Reader, at: tuple[str, ...]
) -> OperatorNamespace | None:
    if kind == "directory":
        return _watched(table, reader=reader, at=at)
    has_registry = any(key in table for key in REGISTRY_KEYS)
    registry = registry_ref(table, reader=reader, at=at) if has_registry else None
    login = _login(table, registry=registry, reader=reader, at=at)
    if kind == "config-url":
        url = str(table["config-url"])
        if problem := url_problem(url, schemes=("http", "https", "file")):
            reader.report((*at, "config-url"), problem)
        return RemoteNamespace(url, _secret(table, "config-access-token"), registry, login)
    document = {key: table[key] for key in TOP_KEYS if key in table and key != "registry"}
    config, problems = read(document, file=_SOURCE, places=Positions(), at=at)
    reader.problems += problems
    if config is None:
        return None
    in_place = NamespaceConfig(
        config.skills, config.native_tools, config.mcp_servers, registry, config.held
    )
    return InPlace(in_place, problems, login)


def _watched(
    table: Mapping[str, Any], *, reader: Reader, at: tuple[str, ...]
) -> WatchedDirectory | None:
    directory = table["directory"]
    if not isinstance(directory, str) or not directory:
        reader.report((*at, "directory"), f"must be a path in quotes, not {shown(directory)}")
        return None
    try:
        path = parse.path(directory)
    except ValueError as error:
        reader.report((*at, "directory"), str(error))
        return None
    return WatchedDirectory(
        path,
        read_native_tools(table, reader=reader, at=at),
        read_mcp_servers(table, reader=reader, at=at),
    )


def _login(
    table: Mapping[str, Any],
    *,
    registry: RegistryRef | None,
    reader: Reader,
    at: tuple[str, ...],
) -> Login | None:
    password = _secret(table, "registry-password")
    user = table.get("registry-user")
    if user is None and not password:
        return None
    if user is None or not password:
        missing = "registry-password" if user is not None else "registry-user"
        reader.report(at, f"`{missing}` is missing", key=f"namespaces.{at[-1]}.{missing}")
        return None
    if registry is None or registry.directory is not None:
        reader.report((*at, "registry-user"), "needs `registry` beside it, the host to log in to")
        return None
    return Login(registry, str(user), password)


def _secret(table: Mapping[str, Any], key: str) -> Secret:
    file = table.get(f"{key}-file")
    return Secret(value=str(table.get(key, "")), file=Path(str(file)) if file else None)
