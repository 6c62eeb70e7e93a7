"""One compile child, seen from its parent."""

import os
import resource
import signal

import pytest

from daemon.build_cache.child import Caps, Child, why_died
from daemon.build_cache.jobs import Read
from daemon.errors import DaemonError, ErrorKind

CAPS = Caps(memory=2 << 30, cpu=60, wall=60.0)


@pytest.mark.parametrize(
    ("status", "stderr", "kind", "text"),
    [
        (-signal.SIGXCPU, "", ErrorKind.COMPILE_LIMIT, "60 s of CPU time"),
        (-signal.SIGKILL, "", ErrorKind.COMPILE_LIMIT, "killed from outside"),
        (
            -signal.SIGABRT,
            "memory allocation of 8 bytes failed",
            ErrorKind.COMPILE_LIMIT,
            "2048 MiB",
        ),
        (-signal.SIGSEGV, "", ErrorKind.COMPILE_FAILED, "status -11"),
        (1, "Traceback: boom", ErrorKind.INTERNAL, "boom"),
    ],
)
def test_a_death_is_explained(status: int, stderr: str, kind: ErrorKind, text: str) -> None:
    """By the cap that was hit, where it was one."""
    error = why_died(status, stderr, CAPS)

    assert error.kind is kind
    assert text in error.detail


async def test_a_child_that_is_killed_is_an_error_for_who_asks() -> None:
    """And no hang."""
    async with await Child.start(CAPS, background=False) as child:
        child.send_signal(signal.SIGKILL)

        with pytest.raises(DaemonError, match="killed from outside"):
            await child.ask(Read("/nowhere", split=False))

        assert not await child.answers()


async def test_a_machine_without_room_for_a_child_is_an_error_that_passes() -> None:
    """Not a bug, and nothing to hold against the Skill."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(DaemonError, match="could be started") as error:
            await Child.start(CAPS, background=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert error.value.kind is ErrorKind.WORKER_LOST
    assert not error.value.permanent


async def test_a_missing_component_is_refused() -> None:
    """The cache may have been wiped in between."""
    async with await Child.start(CAPS, background=True) as child:
        with pytest.raises(DaemonError, match="can't read") as caught:
            await child.ask(Read("/nowhere", split=False))

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
