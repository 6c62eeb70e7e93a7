"""
How the text of a setting becomes its value. Pure.

Each parser takes what the environment (a text) or TOML (a value) gave, and raises ValueError
with a sentence that shows the right form; `load` adds where it stood.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from daemon.secret import Secret
from daemon.units import parse_duration, parse_size

_WHOLE = re.compile(r"-?[0-9]{1,18}")  # `isdigit` also takes a superscript, which `int` doesn't
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}")


def text(value: object) -> str:
    """Any text."""
    return str(value)


def optional_text(value: object) -> str | None:
    """A text; empty is unset."""
    return str(value) or None


def optional_url(value: object) -> str | None:
    """An http or https URL; empty is unset. Errors don't repeat it: it may hold a password."""
    if str(value) and not _URL.fullmatch(str(value)):
        raise ValueError("it is not an http or https URL: write it as https://host:port/path")
    return str(value) or None


def index_url(value: object) -> str | None:
    """A URL, or `embedded:PATH`; empty is unset."""
    return str(value) if str(value).startswith("embedded:") else optional_url(value)


def whole(value: object) -> int:
    """A whole number, 0 or more."""
    digits = str(value).strip()
    if not _WHOLE.fullmatch(digits):
        raise ValueError(f"{value!r} is not a whole number: write it as 8")
    if (number := int(digits)) < 0:
        raise ValueError(f"{value!r} is negative: write 0 or more")
    return number


def positive(value: object) -> int:
    """A whole number, 1 or more."""
    if (number := whole(value)) < 1:
        raise ValueError("it must be at least 1")
    return number


def boolean(value: object) -> bool:
    """The words that the contract takes for true and false."""
    words = {"true": True, "1": True, "on": True, "yes": True}
    words |= {"false": False, "0": False, "off": False, "no": False, "": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false: write one of these") from None


def ratio(value: object) -> float:
    """A number between 0 and 1."""
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{value!r} is not a number between 0 and 1: write it as 0.1")
    return number


def seconds(value: object) -> float:
    """A positive duration, in seconds."""
    if (seconds := parse_duration(str(value))) <= 0:
        raise ValueError(f"{value!r} is not a positive duration")
    return seconds


def span(value: object) -> float:
    """A duration that may be none (`0s`), in seconds."""
    return parse_duration(str(value))


def size(value: object) -> int:
    """A size, in bytes; 1 or more."""
    if (size := parse_size(str(value))) < 1:
        raise ValueError("it must be at least 1 byte: write it as 512MiB or 4Gi")
    return size


def budget(value: object) -> int:
    """A size that may be none (`0`), in bytes."""
    return parse_size(str(value))


def path(value: object) -> Path:
    """A path; `~` is the home directory."""
    try:
        return Path(str(value)).expanduser()
    except RuntimeError:
        raise ValueError(f"{str(value)!r}: no home directory is known: write it in full") from None


def optional_path(value: object) -> Path | None:
    """A path; empty is unset."""
    return path(value) if str(value) else None


def words(value: object) -> tuple[str, ...]:
    """A TOML list, or a text with commas."""
    if isinstance(value, list):
        return tuple(str(word) for word in value)
    return tuple(word.strip() for word in str(value).split(",") if word.strip())


def address(value: object) -> tuple[str, int]:
    """host:port."""
    host, colon, port = str(value).rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{value!r} is not an address: write host:port, for example 0.0.0.0:8081")
    return host.strip("[]"), int(port)


def policy(value: object) -> str:
    """How components are precompiled."""
    if str(value) not in {"tiered", "split", "whole"}:
        raise ValueError(f"{value!r} is not a policy: choose tiered, split or whole")
    return str(value)


def secret(value: object) -> Secret:
    """A secret given in place; `*_FILE` is read by `load`."""
    return Secret(str(value))


def table(value: object) -> Mapping[str, Any]:
    """A TOML table."""
    if not isinstance(value, Mapping):
        raise ValueError("it must be a table")
    return MappingProxyType(dict(value))
