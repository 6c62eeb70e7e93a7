"""
What stands in a setting that is a table, such as `[registries."host"]`. Pure.

Values are TOML's, or texts where they come from the environment; both are read alike. Leaves out
which keys a table has: each is read where it is used.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret
from daemon.settings import parse

T = TypeVar("T")


def checked(table: object, keys: Collection[str], *, at: str) -> Mapping[str, Any]:
    """Return *table*. Raises DaemonError(CONFIGURATION) unless it is one, with known *keys*."""
    if not isinstance(table, Mapping):
        raise wrong(f"{at} must be a table")
    if unknown := sorted(table.keys() - set(keys)):
        known = ", ".join(sorted(keys))
        raise wrong(f"{at}: {unknown[0]} is not a key: choose from {known}")
    return table


def value(table: Mapping[str, Any], key: str, read: Callable[[object], T], *, at: str) -> T:
    """Return what *read*, of `parse`, makes of an entry; a missing one is as an empty text."""
    try:
        return read(table.get(key, ""))
    except ValueError as error:
        raise wrong(f"{at}: {key}: {error}") from error


def secret(table: Mapping[str, Any], key: str, *, at: str) -> Secret:
    """Return what stands under *key*, or in the file that `<key>-file` names."""
    text = value(table, key, parse.text, at=at)
    return Secret(text, value(table, f"{key}-file", parse.optional_path, at=at))


def wrong(text: str) -> DaemonError:
    """Return an error of the operator's."""
    return DaemonError(ErrorKind.CONFIGURATION, text)
