"""
What a Skill says of itself: `metadata`, read under limits and checked.

A rehearsal is a call whose host answers nothing: metadata must not depend on the outside world.
"""

from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from daemon.csi.interface import Request
from daemon.engine import capi, codec
from daemon.engine.call import Call
from daemon.engine.failures import trapped
from daemon.engine.instance import Instance, read, release
from daemon.engine.loaded import Loaded, blame
from daemon.engine.wit import BYTES, STRING, Option, record
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillMetadata, StreamEvent

_MAX_SCHEMA = 1 << 20

_lift_bytes = codec.lifter(
    record(description=Option(STRING), input_schema=BYTES, output_schema=BYTES)
)
_lift_strings = codec.lifter(
    record(description=Option(STRING), input_schema=STRING, output_schema=STRING)
)


class NoHost:
    """The `Host` of a rehearsal."""

    def ask(self, call: Call, request: Request) -> NoReturn:
        """See `Host`."""
        raise DaemonError(
            ErrorKind.CSI_IN_METADATA,
            "The metadata function of the Skill is bugged: it must not call the CSI. "
            f"It asked its host to {type(request).__name__}.",
        )

    def emit(self, call: Call, event: StreamEvent) -> None:
        """See `Host`. Nobody listens, and `metadata` has no output to write to."""


def touch(call: Call, skill: Loaded, instance: Instance) -> Any:
    """Call `metadata`; return its result's value, not yet read. Raises DaemonError."""
    assert skill.metadata is not None
    try:
        return instance.call(skill.metadata)
    except capi.WasmError as error:
        raise blame(call, trapped(error.message, error.exit_status)) from error


def describe(call: Call, skill: Loaded, instance: Instance) -> SkillMetadata | None:
    """Return the metadata; None for worlds and kinds without. Raises DaemonError."""
    if skill.metadata is None:
        return None
    result = touch(call, skill, instance)
    try:
        lift = _lift_strings if skill.strings else _lift_bytes
        description, given, answered = lift(read(result), 0)
    finally:
        release(result)
    return SkillMetadata(
        description,
        _schema("input", given),
        _schema("output", answered),
    )


def _schema(which: str, text: bytes | str) -> Any:
    if len(text) > _MAX_SCHEMA:
        raise _invalid(which, f"it is longer than {_MAX_SCHEMA} bytes")
    try:
        schema: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(which, f"it is not JSON: {error}") from error
    if type(schema) not in (dict, bool):
        raise _invalid(which, "it is neither an object nor a boolean")
    try:
        jsonschema_rs.validator_for(schema, offline=True)
    except jsonschema_rs.ValidationError as error:
        if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
            raise _invalid(which, error.message) from error
        # Valid as far as can be told: what it refers to is not here.
    except ValueError as error:
        raise _invalid(which, "it is nested too deeply") from error
    return schema


def _invalid(which: str, reason: str) -> DaemonError:
    return DaemonError(
        ErrorKind.SKILL_FAILED,
        "The metadata of the Skill is invalid. Error reported by Skill:\n\n"
        f"The {which} schema is not a valid JSON Schema: {reason}",
    )
