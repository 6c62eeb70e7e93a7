"""
From flags, environment, `.env` and `config.toml` to `Settings`. Pure.

`cli.py`, the only reader of the process environment, hands everything in. Precedence: flags,
environment, `.env`, `config.toml`, default. Tables are merged key by key.
"""

import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dotenv
import tomlkit
from tomlkit.exceptions import TOMLKitError

from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret
from daemon.settings import parse
from daemon.settings.model import FIELDS, SECRETS, TABLES, Settings

_SECRET_WORDS = ("password", "token", "secret")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and warnings about names that look mistyped."""

    settings: Settings
    warnings: tuple[str, ...]


def load(
    *,
    environ: Mapping[str, str],
    dotenv_text: str = "",
    config_text: str = "",
    flags: Mapping[str, object] = MappingProxyType({}),
) -> Loaded:
    """Merge all sources. Raises DaemonError(CONFIGURATION) that names source, key and way out."""
    variables = {**_dotenv(dotenv_text), **environ}
    raw = _from_toml(config_text)
    for name, (value, source) in _from_environment(variables).items():
        known = raw.get(name)
        if name in TABLES and known is not None:
            raw[name] = (_merged(known[0], value), source)
        else:
            raw[name] = (value, source)
    raw |= {
        name: (value, f"--{_kebab(name)}") for name, value in flags.items() if value is not None
    }
    values: dict[str, Any] = {name: _parsed(name, *entry) for name, entry in raw.items()}
    return Loaded(Settings(**values), _mistyped(variables))


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Return (name, value with secrets masked, meaning) of each setting, in order."""
    return [
        (name.upper(), _shown(name, getattr(settings, name)), str(one.metadata["doc"]))
        for name, one in FIELDS.items()
    ]


def _dotenv(text: str) -> dict[str, str]:
    values = dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _from_toml(text: str) -> dict[str, tuple[object, str]]:
    try:
        document = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise _error(f"config.toml: {error}") from error
    raw: dict[str, tuple[object, str]] = {}
    for key, value in document.items():
        name = key.replace("-", "_")
        if name.endswith("_file") and name.removesuffix("_file") in SECRETS:
            raw[name.removesuffix("_file")] = _secret_file(value, f"config.toml: {key}")
        elif name in FIELDS:
            raw[name] = (value, f"config.toml: {key}")
        else:
            raise _error(f"config.toml: {key} is not a setting{_nearest(name, kebab=True)}")
    return raw


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    raw: dict[str, tuple[object, str]] = {}
    for name, one in FIELDS.items():
        if name in TABLES:
            table = _table_from(environ, f"{name.upper()}__")
            if table:
                raw[name] = (table, f"{name.upper()}__…")
            continue
        for variable in (*reversed(one.metadata["also"]), name.upper()):
            if variable in environ:
                raw[name] = (environ[variable], variable)
        if name in SECRETS and (path := environ.get(f"{name.upper()}_FILE")):
            raw[name] = _secret_file(path, f"{name.upper()}_FILE")
    return raw


def _secret_file(path: object, source: str) -> tuple[Secret, str]:
    try:
        return Secret(file=parse.path(path)), source
    except ValueError as error:
        raise _error(f"{source}: {error}") from error


def _table_from(environ: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Nest `PREFIX__A__B` as {"a": {"b": …}}, each level in kebab-case."""
    table: dict[str, Any] = {}
    for variable, value in sorted(environ.items()):
        if not variable.upper().startswith(prefix):
            continue
        *path, last = (_kebab(part) for part in variable[len(prefix) :].split("__"))
        node = table
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise _error(f"{variable}: {part} is already set as a plain value")
        node[last] = value
    return table


def _merged(below: object, above: object) -> object:
    """Lay the tables of *above* over those of *below*, key by key."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    keys = [*below, *(key for key in above if key not in below)]
    return {
        key: _merged(below[key], above[key])
        if key in below and key in above
        else above.get(key, below.get(key))
        for key in keys
    }


def _parsed(name: str, value: object, source: str) -> object:
    one = FIELDS[name]
    if isinstance(value, Secret):
        return value
    parser = one.metadata["parse"]
    if value == "" and parser not in {parse.words, parse.table}:  # an empty list is one
        return one.default  # an empty variable is an unset one
    try:
        parsed: object = parser(value)
    except ValueError as error:
        raise _error(f"{source}: {error}") from error
    return parsed


def _mistyped(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Warn of variables that are nearly a setting: most variables are none of ours."""
    known = {name.upper() for name in FIELDS if name not in TABLES}
    known |= {f"{name.upper()}_FILE" for name in SECRETS}
    known |= {also for one in FIELDS.values() for also in one.metadata["also"]}
    warnings = []
    for variable in sorted(environ):
        if variable in known or "__" in variable:
            continue
        near = difflib.get_close_matches(variable, known, n=1, cutoff=0.88)
        if near:
            warnings.append(f"{variable} is not a setting: did you mean {near[0]}?")
    return tuple(warnings)


def _shown(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return str({key: _masked(key, inner) for key, inner in value.items()}) if value else ""
    if name.endswith("_address") and isinstance(value, tuple):
        return f"{value[0]}:{value[1]}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if FIELDS[name].metadata["parse"] in {parse.seconds, parse.span}:
        return f"{value:g}s"
    return "" if value is None else _without_credentials(str(value))


def _without_credentials(text: str) -> str:
    """Mask what a URL may hold of them: user, password and query."""
    text = re.sub(r"^(\w+://)[^/?#]*@", r"\1********@", text)
    return re.sub(r"^(\w+://[^?#]*)\?[^#]*", r"\1?********", text)


def _masked(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {inner: _masked(inner, one) for inner, one in value.items()}
    hide = any(word in key for word in _SECRET_WORDS) and not key.endswith("-file")
    if hide:
        return "********"
    return _without_credentials(value) if isinstance(value, str) else value


def _kebab(name: str) -> str:
    return name.lower().replace("_", "-")


def _nearest(name: str, *, kebab: bool) -> str:
    near = difflib.get_close_matches(name, FIELDS, n=1)
    if not near:
        return ""
    return f": did you mean {_kebab(near[0]) if kebab else near[0].upper()}?"


def _error(text: str) -> DaemonError:
    return DaemonError(ErrorKind.CONFIGURATION, text)
