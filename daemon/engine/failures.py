"""
What went wrong in a guest, in words for its developer or operator. Pure text.

Leaves out the guest's own errors (`execute`) and those of its host, which pass unchanged.
"""

import re

from daemon.errors import DaemonError, ErrorKind

_TRAPS = {
    "unreachable": "it reached code that its compiler marked as unreachable (a panic or abort)",
    "out of bounds memory access": "it accessed memory out of bounds",
    "call stack exhausted": "its call stack overflowed (endless recursion?)",
    "integer divide by zero": "it divided an integer by zero",
    "indirect call type mismatch": "it called a function through a pointer of another type",
    "uninitialized element": "it called a function through an uninitialized pointer",
    "undefined element": "it called a function through a pointer out of bounds",
    "out of bounds table access": "it accessed a table out of bounds",
}
_TRAP = re.compile(r"wasm trap: ([^\n]+)")
_IMPORT = re.compile(r"component imports (?:\w+ )?`([^`]+)`")
_MEMORY = re.compile(r"memory minimum size|memory limit|exceeds memory")
_COUNT = re.compile(r"(memory|table|instance) count too high at (\d+)")
_REASON_LENGTH = 500


def trapped(message: str, exit_status: int | None) -> DaemonError:
    """Return the error of a call that wasmtime ended."""
    if exit_status is not None:
        reason = f"it called exit with status {exit_status}"
    elif "fuel allocated for hostcalls" in message:
        return too_much_at_once()
    else:
        reason = _reason(message)
    return DaemonError(
        ErrorKind.SKILL_TRAPPED, f"The Skill crashed: {reason}. This is a bug in the Skill."
    )


def too_much_at_once() -> DaemonError:
    """The error of a value that is larger than wasmtime moves in one piece."""
    return DaemonError(
        ErrorKind.OUTPUT_TOO_LARGE,
        "The Skill passed a value to its host that is larger than the runtime can move at once.",
    )


def not_instantiated(message: str, *, memory: int) -> DaemonError:
    """Return the error of a component that could not be instantiated."""
    missing = _IMPORT.search(message)
    if missing is not None:
        return missing_import(missing[1])
    if _MEMORY.search(message):
        return DaemonError(
            ErrorKind.SKILL_TRAPPED,
            f"The Skill needs more memory to start than its limit of {memory} bytes.",
        )
    if (count := _COUNT.search(message)) is not None:
        what = {"memory": "linear memories", "table": "tables"}.get(count[1], "instances")
        return DaemonError(
            ErrorKind.SKILL_UNSERVABLE,
            f"The Skill makes {count[2]} {what} or more, which is more than a Skill may have here: "
            "each core module with a memory may be instantiated once, 50 tables and 1,000 "
            "instances are the most.",
        )
    return trapped(message, None)


def missing_import(name: str, reason: str = "which this host does not offer") -> DaemonError:
    """Return the error of a component that asks for what is not linked."""
    return DaemonError(
        ErrorKind.MISSING_IMPORT,
        f"The Skill imports `{name}`, {reason}. Build it against the WIT world alone: "
        "network, files and environment are not available to Skills.",
    )


def _reason(message: str) -> str:
    trap = _TRAP.search(message)
    if trap is None:
        return message.rsplit("Caused by:", 1)[-1].strip()[:_REASON_LENGTH] or "unknown reason"
    name = trap[1].strip()
    for known, text in _TRAPS.items():
        if known in name:
            return text
    return name
