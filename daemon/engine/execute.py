"""
One call of a Skill: input in, checked output or an error of a known kind out.

Leaves out threads and frames (`workers`), and which instance is used (`warm`).
"""

import ctypes
from ctypes import addressof

import msgspec

from daemon.engine import capi, codec
from daemon.engine.call import Call
from daemon.engine.failures import trapped
from daemon.engine.instance import Instance, read, release
from daemon.engine.loaded import Loaded, blame
from daemon.engine.order import check_json
from daemon.engine.wit import STRING, variant
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, World

_lift_error = codec.lifter(variant(internal=STRING, invalid_input=STRING))
_STREAM = 1  # the number of the one output that a call has


def run(call: Call, skill: Loaded, instance: Instance, *, text: bytes, cap: int) -> bytes | None:
    """
    Call `run` with JSON *text*; return JSON text of at most *cap* bytes, None for streams.

    The call must be `running` on this thread. Raises DaemonError.
    """
    streams = skill.kind is SkillKind.MESSAGE_STREAM
    count = 2 if streams else 1
    arguments = ctypes.create_string_buffer(codec.VALUE * count)
    _lower_input(skill, addressof(arguments), text)
    if streams:
        handle = instance.own(number=_STREAM, kind=skill.output_kind)
        codec.lower_resource(addressof(arguments) + codec.VALUE, handle)
    try:
        result = instance.call(skill.run, arguments, count)
    except capi.WasmError as error:
        raise blame(call, trapped(error.message, error.exit_status)) from error
    try:
        return _answer(skill, read(result), cap)
    finally:
        release(result)


def _lower_input(skill: Loaded, at: int, text: bytes) -> None:
    if not text.isascii():
        _check_utf8(text)  # what is not UTF-8 would abort the process
    if skill.world is World.V0_1:
        codec.lower_utf8(at, _first_input(text))
    elif skill.strings:
        codec.lower_utf8(at, text)
    else:
        codec.lower_bytes(at, text)


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST, f"The input is not UTF-8: {error}"
        ) from error


def _first_input(text: bytes) -> bytes:
    """The first world takes text, not JSON: a JSON string is passed as what it says."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise DaemonError(ErrorKind.MALFORMED_REQUEST, f"The input is not JSON: {error}") from error
    return value.encode() if isinstance(value, str) else text


def _answer(skill: Loaded, result: bytes, cap: int) -> bytes | None:
    if skill.world is World.V0_1:
        _check_size(codec.size_of(result, 0), cap)
        return msgspec.json.encode(codec.lift_utf8(result, 0).decode())
    is_ok, payload = codec.lift_side(result, 0)
    if not is_ok:
        raise _reported(*_lift_error(payload, 0))
    if skill.kind is SkillKind.MESSAGE_STREAM:
        return None
    _check_size(codec.size_of(payload, 0), cap)
    output = codec.lift_utf8(payload, 0) if skill.strings else codec.lift_bytes(payload, 0)
    check_json(output)
    return output


def _check_size(size: int, cap: int) -> None:
    if size > cap:
        raise DaemonError(
            ErrorKind.OUTPUT_TOO_LARGE,
            f"The Skill's output of {size} bytes is over the limit of {cap} bytes.",
        )


def _reported(case: str, message: str) -> DaemonError:
    if case == "internal":
        return DaemonError(
            ErrorKind.SKILL_FAILED,
            "The Skill answered with an error. Check your input, or contact the developer of the "
            f"Skill. Error reported by Skill:\n\n{message}",
        )
    return DaemonError(
        ErrorKind.INVALID_INPUT,
        f"The Skill could not make sense of its input. Error reported by Skill:\n\n{message}",
    )
