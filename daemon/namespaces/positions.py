"""
Where each key of a TOML text stands: parsers know it for syntax errors only, and forget it after.

A scanner, not a parser: it takes text that one has accepted and only keeps count. Paths are
tuples of keys and list indexes, for example `("skills", 0, "tag")`.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property

Path = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, both from 1."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


class Positions:
    """
    Where keys and list items of *text* start; owned by the reader of one document.

    It is scanned when the first place is asked for: most documents are without mistakes.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text

    @cached_property
    def places(self) -> Mapping[Path, Place]:
        """The places by their paths; none where *text* is not TOML."""
        try:
            return locate(self._text)
        except (ValueError, LookupError, RecursionError):
            return {}

    def of(self, path: Path) -> tuple[int | None, int | None]:
        """Return line and column of *path*, or of the nearest thing around it that has a place."""
        for length in range(len(path), 0, -1):
            if place := self.places.get(path[:length]):
                return place
        return None, None


def locate(text: str) -> Mapping[Path, Place]:
    """Return the places in *text*, which must be valid TOML."""
    scanner = _Scanner(text)
    scanner.document()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(offset: int) -> Place:
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    return {path: place(offset) for path, offset in scanner.offsets.items()}


class _Scanner:
    """One walk over one text; `offsets` is its result."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lists: dict[Path, int] = {}
        self.offsets: dict[Path, int] = {}

    def document(self) -> None:
        """Walk headers and key-value pairs to the end."""
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            table = self._header() if self._text[self._at] == "[" else self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Path:
        start, is_list = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if is_list else 1
        *parents, last = self._keys()
        table = self._inside(parents, start)
        if is_list:
            index = self._lists.get((*table, last), -1) + 1
            self._lists[(*table, last)] = index
            self.offsets.setdefault((*table, last), start)
            path: Path = (*table, last, index)
        else:
            path = (*table, last)
        self.offsets.setdefault(path, start)
        self._at = self._text.index("]", self._at) + (2 if is_list else 1)
        return path

    def _inside(self, keys: list[str], start: int) -> Path:
        """Descend *keys*, which need no header of their own; a list of tables means its newest."""
        table: Path = ()
        for key in keys:
            table = (*table, key)
            self.offsets.setdefault(table, start)
            if table in self._lists:
                table = (*table, self._lists[table])
        return table

    def _pair(self, table: Path) -> Path:
        """Take `key = value`; returns *table*, in which the next pair stands as well."""
        start = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self.offsets.setdefault(path, start)
        self._at = self._text.index("=", self._at) + 1
        self._value(path)
        return table

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while not keys or self._text.startswith(".", self._at):
            self._at += 1 if keys else 0
            self._skip(_SPACE)
            keys.append(_unquoted(self._take(_KEY)))
            self._skip(_SPACE)
        return keys

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        opening = self._text[self._at]
        if opening in "[{":
            self._items(path, closing="]" if opening == "[" else "}")
        else:
            self._take(_STRING if opening in "\"'" else _SCALAR)

    def _items(self, path: Path, *, closing: str) -> None:
        """Walk an array or an inline table."""
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while self._text[self._at] != closing:
            if closing == "]":
                self.offsets[(*path, index)] = self._at
                self._value((*path, index))
            else:
                self._pair(path)
            index += 1
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1
                self._skip(_BLANK)
        self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"no TOML at offset {self._at}")
        self._at = match.end()
        return match[0]


def _unquoted(key: str) -> str:
    if key[0] == '"':
        return str(next(iter(tomllib.loads(f"{key} = 0"))))
    return key.strip("'")
