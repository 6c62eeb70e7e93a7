"""The words for what went wrong."""

import pytest

from daemon.engine.failures import missing_import, not_instantiated, too_much_at_once, trapped
from daemon.errors import ErrorKind


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("error\n\nCaused by:\n    wasm trap: wasm `unreachable` instruction executed", "panic"),
        ("error\n\nCaused by:\n    wasm trap: call stack exhausted", "recursion"),
        (
            "error\n\nCaused by:\n    0: fault\n    1: wasm trap: out of bounds memory access",
            "bounds",
        ),
        ("error\n\nCaused by:\n    wasm trap: something new", "something new"),
        ("error\n\nCaused by:\n    resource handle 7 is unknown", "handle 7"),
        ("", "unknown reason"),
    ],
)
def test_a_trap_is_told_by_its_reason_not_its_backtrace(message: str, reason: str) -> None:
    """Backtraces of machine code help nobody who reads a status."""
    error = trapped(message, None)

    assert error.kind is ErrorKind.SKILL_TRAPPED
    assert reason in error.detail


def test_an_exit_names_its_status() -> None:
    """It is not a trap, but ends the guest all the same."""
    assert "status 3" in trapped("exited", 3).detail


def test_a_value_that_cannot_be_moved_is_too_large() -> None:
    """wasmtime calls it fuel."""
    error = trapped("fuel allocated for hostcalls has been exhausted", None)

    assert error.kind is ErrorKind.OUTPUT_TOO_LARGE
    assert error.detail == too_much_at_once().detail


def test_instantiation_fails_for_an_import_for_memory_or_for_a_trap() -> None:
    """Each with a kind or text of its own."""
    missing = not_instantiated("component imports instance `a:b/c`, but a matching ...", memory=1)
    memory = not_instantiated("memory minimum size of 2 pages exceeds memory limits", memory=64)
    trap = not_instantiated("wasm trap: integer overflow", memory=1)

    assert (missing.kind, "`a:b/c`" in missing.detail) == (ErrorKind.MISSING_IMPORT, True)
    assert "limit of 64 bytes" in memory.detail
    assert trap.kind is ErrorKind.SKILL_TRAPPED


def test_a_missing_import_says_what_to_do() -> None:
    """The way out is part of the text."""
    assert "WIT world" in missing_import("wasi:http/types@0.2.0").detail
