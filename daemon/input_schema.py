"""
Checks inputs against the JSON Schemas that Skills declare.

A schema is its developer's text, not ours: it is compiled once per digest, never fetches anything
it refers to, and where it turns out unusable the input passes. Leaves out whether schemas are
valid (`engine/describe`) and who wants the check (`invoke`).
"""

import logging
from typing import Any

import jsonschema
import msgspec
import referencing
from cachetools import LRUCache
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest

_log = logging.getLogger(__name__)


class InputSchemas:
    """Compiled schemas by digest. Owned by `Skills`."""

    def __init__(self, *, kept: int = 256) -> None:
        """*kept*: how many stay compiled."""
        self._compiled: LRUCache[Digest, Validator] = LRUCache(maxsize=kept)

    def check(self, body: bytes, *, digest: Digest, schema: Any) -> None:
        """Raise DaemonError INPUT_VIOLATES_SCHEMA unless *body* fits; None fits everything."""
        if schema is None:
            return
        validator = self._validator(digest, schema)
        try:
            found = jsonschema.exceptions.best_match(
                validator.iter_errors(msgspec.json.decode(body))
            )
        except (Unresolvable, RecursionError) as error:
            _log.warning("the input schema of %s can't be used: %s", digest, error)
            return
        if found is not None:
            raise DaemonError(
                ErrorKind.INPUT_VIOLATES_SCHEMA,
                f"The input violates the Skill's schema at {found.json_path}: {found.message}",
            )

    def _validator(self, digest: Digest, schema: Any) -> Validator:
        validator = self._compiled.get(digest)
        if validator is None:
            make = jsonschema.validators.validator_for(schema)
            # A registry of its own: the default one would fetch what a `$ref` names.
            validator = make(schema, registry=referencing.Registry())
            self._compiled[digest] = validator
        return validator
