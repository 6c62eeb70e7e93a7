"""
Checks inputs against the JSON Schemas that Skills declare.

A schema is its developer's text, not ours, and the check runs between requests: so it is compiled
once per digest by a library that is quick, bounds what a `pattern` may cost, and fetches nothing.
Where a schema turns out unusable the input passes. Leaves out whether schemas are valid
(`engine/describe`) and who wants the check (`invoke`).
"""

import logging
from typing import Any

import jsonschema_rs
import msgspec
from cachetools import LRUCache

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest

_log = logging.getLogger(__name__)

# Some milliseconds; what gives up there does not match.
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)
# In place of the caller's values: they may be long, and are nobody else's business.
_VALUE = "the value"


class InputSchemas:
    """Compiled schemas by digest, None for unusable ones. Owned by `Skills`."""

    def __init__(self, *, kept: int = 256) -> None:
        """*kept*: how many stay compiled."""
        self._compiled: LRUCache[Digest, jsonschema_rs.Validator | None] = LRUCache(maxsize=kept)

    def check(self, body: bytes, *, digest: Digest, schema: Any) -> None:
        """Raise DaemonError INPUT_VIOLATES_SCHEMA unless *body* fits; None fits everything."""
        if schema is None:
            return
        if digest not in self._compiled:
            self._compiled[digest] = _compile(digest, schema)
        validator = self._compiled[digest]
        if validator is None:
            return
        try:
            validator.validate(msgspec.json.decode(body))
        except jsonschema_rs.ValidationError as error:
            raise _violation(_place(error.instance_path), error.message) from error
        except ValueError as error:  # the library's limit where values are compared
            raise _violation("$", "it is nested too deeply") from error


def _compile(digest: Digest, schema: Any) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(
            schema, mask=_VALUE, offline=True, pattern_options=_PATTERNS
        )
    except ValueError as error:  # a `$ref` to nowhere or elsewhere, an unknown dialect
        _log.warning("the input schema of %s can't be used: %s", digest, error)
        return None


def _violation(place: str, reason: str) -> DaemonError:
    return DaemonError(
        ErrorKind.INPUT_VIOLATES_SCHEMA,
        f"The input violates the Skill's schema at {place}: {reason}",
    )


def _place(path: list[str | int]) -> str:
    """As JSONPath: `$.items[0].name`."""
    return "$" + "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path)
