"""
`namespace.toml`: text in, entries and problems out. Pure.

All mistakes are found at once. A mistake in the shape of the file (syntax, unknown top-level keys,
`skills` missing) rejects it; a mistake in one entry or tool holds back only that one. Leaves out
which registry a namespace without one gets, and what was wanted before (`desired`).
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import methodcaller
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError, UnexpectedCharError

from daemon.names import HOST_PATTERN, REPOSITORY_PATTERN, Digest, SkillName, Tag
from daemon.namespaces.positions import Path as Key
from daemon.namespaces.positions import Positions
from daemon.namespaces.problems import WHERE_CREDENTIALS_BELONG, Reader, dotted, nearest, shown
from daemon.namespaces.status import Problem
from daemon.skill import RegistryRef
from daemon.units import parse_duration, parse_size

NATIVE_TOOLS = ("add", "saboteur", "subtract")
TOP_KEYS = ("skills", "mcp-servers", "native-tools", "registry")
REGISTRY_KEYS = ("registry", "base-repository", "path")
_MOST_DOTS = 64
_DOTS = methodcaller("count", ".")
BASE_REPOSITORY_PATTERN = rf"/*(?:{REPOSITORY_PATTERN})?/*"


@dataclass(frozen=True, slots=True)
class SkillEntry:
    """A WebAssembly Skill as the file states it. Memory in bytes, timeout in seconds."""

    name: SkillName
    tag: Tag = field(default_factory=lambda: Tag("latest"))
    digest: Digest | None = None
    memory: int | None = None
    timeout: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class ChatEntry:
    """A chat Skill: a model and its system prompt."""

    name: SkillName
    version: str
    model: str
    system_prompt: str


Entry = SkillEntry | ChatEntry


@dataclass(frozen=True, slots=True)
class NamespaceConfig:
    """
    The good part of a namespace's file.

    `held`: names whose entry has a problem; `unnamed`: an entry has a problem and no usable name,
    so nothing may be concluded from a name that is missing.
    """

    skills: tuple[Entry, ...] = ()
    native_tools: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()
    registry: RegistryRef | None = None
    held: frozenset[SkillName] = frozenset()
    unnamed: bool = False


Parsed = tuple[NamespaceConfig | None, tuple[Problem, ...]]


def parse(data: bytes, *, file: str) -> Parsed:
    """Return the config, None where the file is rejected, and all problems, in file order."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, (Problem(file, line, None, None, "not UTF-8 text"),)
    try:
        document = _document(text)
    except ParseError as error:
        return None, (Problem(file, error.line, error.col + 1, None, _syntax(error)),)
    except (TOMLKitError, ValueError, RecursionError) as error:
        return None, (Problem(file, None, None, None, f"not TOML: {error}"),)
    return read(document, file=file, places=Positions(text))


def _document(text: str) -> Mapping[str, Any]:
    """
    Parse with tomllib, some ten times faster, and with tomlkit where that fails: it knows where.

    Raises TOMLKitError, ValueError or RecursionError.
    """
    # The time that tomllib takes for a dotted key grows with the cube of its length.
    if max(map(_DOTS, text.splitlines()), default=0) <= _MOST_DOTS:
        with suppress(tomllib.TOMLDecodeError, RecursionError):
            return tomllib.loads(text)
    return tomlkit.parse(text).unwrap()


def read(document: Mapping[str, Any], *, file: str, places: Positions, at: Key = ()) -> Parsed:
    """Do the same for a document that is parsed already; *at* is where it stands in its file."""
    reader = Reader(file, places)
    reader.known_keys(document, TOP_KEYS, at=at)
    registry = read_registry(document.get("registry"), reader=reader, at=(*at, "registry"))
    skills = document.get("skills")
    if skills is None:
        reader.report(at, "`skills` is missing; write `skills = []` for none", key="skills")
    elif not isinstance(skills, list):
        reader.report((*at, "skills"), f"must be a list of tables, not {shown(skills)}")
    if reader.problems:
        return None, reader.sorted()
    config = _entries(skills or [], reader=reader, at=(*at, "skills"))
    return replace(
        config,
        registry=registry,
        native_tools=read_native_tools(document, reader=reader, at=at),
        mcp_servers=read_mcp_servers(document, reader=reader, at=at),
    ), reader.sorted()


def _syntax(error: ParseError) -> str:
    text = str(error).rsplit(" at line ", 1)[0]
    if isinstance(error, UnexpectedCharError) and "'\\x00'" in text:
        text = "Unexpected end of file"
    return f"not TOML: {text[:1].lower()}{text[1:]}"


# Entries -----------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text in quotes, not {shown(value)}")
    return value


def _memory(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"must be a size such as '512MiB', not {shown(value)}")
    size = value if isinstance(value, int) else parse_size(value)
    if size <= 0:
        raise ValueError("must be more than 0 bytes")
    return size


def _timeout(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError(f"must be a duration such as '30s', not {shown(value)}")
    if (seconds := parse_duration(value)) <= 0:
        raise ValueError("must be longer than 0s")
    return seconds


def _concurrency(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"must be a whole number from 1, not {shown(value)}")
    return value


Field = Callable[[object], object]

SKILL_FIELDS: Mapping[str, Field] = {
    "name": lambda value: SkillName(_text(value)),
    "tag": lambda value: Tag(_text(value)),
    "digest": lambda value: Digest(_text(value)),
    "memory": _memory,
    "timeout": _timeout,
    "concurrency": _concurrency,
}
CHAT_FIELDS: Mapping[str, Field] = {
    "name": lambda value: SkillName(_text(value)),
    "version": _text,
    "model": _text,
    "system_prompt": _text,
}


def _entries(skills: list[Any], *, reader: Reader, at: Key) -> NamespaceConfig:
    """Read all entries; what has a problem is left out of `skills` and held by name."""
    good: dict[SkillName, Entry] = {}
    seen: dict[SkillName, Key] = {}
    held: set[SkillName] = set()
    unnamed = False
    for index, table in enumerate(skills):
        before = len(reader.problems)
        place = (*at, index)
        name, entry = _entry(table, reader=reader, at=place)
        if name is None:
            unnamed = True
            continue
        if name in seen:
            first = reader.places.of(seen[name])[0]
            where = f" on line {first}" if first else ""
            reader.report((*place, "name"), f"{name!s} is named twice, first{where}", entry=name)
        seen.setdefault(name, place)
        if len(reader.problems) > before:
            held.add(name)
        elif entry is not None:
            good[name] = entry
    return NamespaceConfig(
        skills=tuple(entry for name, entry in good.items() if name not in held),
        held=frozenset(held),
        unnamed=unnamed,
    )


def _entry(table: object, *, reader: Reader, at: Key) -> tuple[SkillName | None, Entry | None]:
    """Return the entry's name, where it has a valid one, and the entry, where all is well."""
    if not isinstance(table, Mapping):
        reader.report(at, f'must be a table such as {{ name = "greet" }}, not {shown(table)}')
        return None, None
    name = _name(table.get("name"))
    kind = table.get("type")
    if kind not in {None, "chat"}:
        reader.report(
            (*at, "type"),
            f'must be "chat" or left out, not {shown(kind)}',
            suggestion=nearest(str(kind), ("chat",)),
            entry=name,
        )
        return name, None
    fields = SKILL_FIELDS if kind is None else CHAT_FIELDS
    required = ("name",) if kind is None else tuple(CHAT_FIELDS)
    reader.known_keys(table, ("type", *fields), at=at, entry=name)
    values = {key: table[key] for key in fields if key in table}
    for key in required:
        if key not in values:
            reader.report(at, f"`{key}` is missing", entry=name, key=dotted((*at, key)))
    checked = _checked(values, fields=fields, reader=reader, at=at)
    if checked is None or any(key not in values for key in required):
        return name, None
    return name, _made(kind, checked)


def _made(kind: object, checked: Mapping[str, Any]) -> Entry:
    return SkillEntry(**checked) if kind is None else ChatEntry(**checked)


def _name(value: object) -> SkillName | None:
    try:
        return SkillName(_text(value))
    except ValueError:
        return None  # reported with the other fields


def _checked(
    values: Mapping[str, Any], *, fields: Mapping[str, Field], reader: Reader, at: Key
) -> dict[str, Any] | None:
    checked: dict[str, Any] = {}
    name = _name(values.get("name"))
    for key, value in values.items():
        try:
            checked[key] = fields[key](value)
        except (ValueError, OverflowError) as error:
            reader.report((*at, key), str(error), entry=name)
    return checked if len(checked) == len(values) else None


# Tools and registry ------------------------------------------------------------------------------


def read_native_tools(table: Mapping[str, Any], *, reader: Reader, at: Key) -> tuple[str, ...]:
    """Return the known ones; an unknown tool is reported and left out."""
    tools: list[str] = []
    for place, name in _texts(table, "native-tools", reader=reader, at=at):
        if name in NATIVE_TOOLS:
            tools.append(name)
        else:
            hint = nearest(name, NATIVE_TOOLS)
            reader.report(place, f"there is no native tool {shown(name)}", suggestion=hint)
    return tuple(dict.fromkeys(tools))


def read_mcp_servers(table: Mapping[str, Any], *, reader: Reader, at: Key) -> tuple[str, ...]:
    """Return the well-formed URLs; others are reported and left out."""
    servers: list[str] = []
    for place, url in _texts(table, "mcp-servers", reader=reader, at=at):
        if problem := url_problem(url, schemes=("http", "https")):
            reader.report(place, problem)
        else:
            servers.append(url)
    return tuple(dict.fromkeys(servers))


def url_problem(url: str, *, schemes: tuple[str, ...]) -> str | None:
    """Return what is wrong with a URL; its text is not repeated when it holds credentials."""
    try:
        parts = urlsplit(url)
        has_secret = "@" in parts.netloc
    except ValueError as error:
        return f"{shown(url)} is not a URL: {error}"
    if has_secret:
        return WHERE_CREDENTIALS_BELONG
    if parts.scheme not in schemes or (parts.scheme != "file" and not parts.hostname):
        return (
            f"{shown(url)} is not a URL that starts with {' or '.join(f'{s}://' for s in schemes)}"
        )
    return None


def _texts(table: Mapping[str, Any], key: str, *, reader: Reader, at: Key) -> list[tuple[Key, str]]:
    values = table.get(key, [])
    if not isinstance(values, list):
        reader.report((*at, key), f"must be a list of texts, not {shown(values)}")
        return []
    good: list[tuple[Key, str]] = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            good.append(((*at, key, index), value))
        else:
            reader.report((*at, key, index), f"must be a text in quotes, not {shown(value)}")
    return good


def read_registry(table: object, *, reader: Reader, at: Key) -> RegistryRef | None:
    """Return the registry that *table* names: `registry` with `base-repository`, or `path`."""
    if table is None:
        return None
    if not isinstance(table, Mapping):
        reader.report(at, f"must be a table with `registry` or `path`, not {shown(table)}")
        return None
    reader.known_keys(table, REGISTRY_KEYS, at=at)
    return registry_ref(table, reader=reader, at=at)


def registry_ref(table: Mapping[str, Any], *, reader: Reader, at: Key) -> RegistryRef | None:
    """Do the same where unknown keys are somebody else's concern."""
    values = {key: table[key] for key in REGISTRY_KEYS if key in table}
    for key, value in values.items():
        if not isinstance(value, str) or (not value and key != "base-repository"):
            reader.report((*at, key), f"must be a text in quotes, not {shown(value)}")
            return None
    if "\0" in values.get("path", ""):
        reader.report((*at, "path"), f"{shown(values['path'])} is not a path")
        return None
    if "path" in values:
        return _directory_ref(values, reader=reader, at=at)
    if "registry" in values:
        return _oci_ref(values, reader=reader, at=at)
    reader.report(at, "`registry` (a host) or `path` (a directory) is missing")
    return None


def _directory_ref(values: Mapping[str, str], *, reader: Reader, at: Key) -> RegistryRef | None:
    others = [key for key in values if key != "path"]
    for key in others:
        reader.report((*at, "path"), f"`path` and `{key}` exclude each other")
    return None if others else RegistryRef(directory=Path(values["path"]))


def _oci_ref(values: Mapping[str, str], *, reader: Reader, at: Key) -> RegistryRef | None:
    host, repository = values["registry"], values.get("base-repository", "")
    before = len(reader.problems)
    if "@" in host:
        reader.report((*at, "registry"), WHERE_CREDENTIALS_BELONG)
    elif not re.fullmatch(HOST_PATTERN, host):
        bare = host.split("://")[-1].split("/")[0]
        hint = f"did you mean `{bare}`?" if re.fullmatch(HOST_PATTERN, bare) else None
        message = f"{shown(host)} is not a host such as registry.example.org:5000"
        reader.report((*at, "registry"), message, suggestion=hint)
    if not re.fullmatch(BASE_REPOSITORY_PATTERN, repository):
        message = f"{shown(repository)} is not a repository: use lower-case words between slashes"
        reader.report((*at, "base-repository"), message)
    if len(reader.problems) > before:
        return None
    return RegistryRef(host=host, repository=repository.strip("/"))
