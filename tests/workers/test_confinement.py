"""What a confined process can still do; each test has its own, for there is no way back."""

import platform
import subprocess
import sys

import pytest

from daemon.workers.confinement import filter_program

_SUPPORTED = platform.machine() in {"x86_64", "aarch64"}


def _confined(code: str, *, parent: str = "") -> str:
    """What *code* prints in a confined process; *parent* is run by the one that starts it."""
    program = (
        "import os, socket, sys, threading, resource\n"
        "from daemon.workers.confinement import confine\n"
        "keep, theirs = socket.socketpair()\n"
        "unfiltered = confine(keep.fileno())\n" + code
    )
    starter = f"{parent}\nimport subprocess, sys; subprocess.run(sys.argv[1:], check=True)"
    command = [sys.executable, "-c", starter, sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.skipif(not _SUPPORTED, reason="no list of system calls for this machine")
@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "os.execv('/bin/true', ['true'])",
        "keep.connect('/nowhere')",
        "os.unshare(0) if hasattr(os, 'unshare') else os.execv('/bin/true', ['true'])",
    ],
)
def test_ways_out_are_refused(attempt: str) -> None:
    """With an error, not with death: the process must be able to say what happened."""
    code = f"try: {attempt}\nexcept PermissionError: print('refused', unfiltered)"

    assert _confined(code) == "refused None\n"


@pytest.mark.skipif(not _SUPPORTED, reason="no list of system calls for this machine")
def test_a_worker_can_not_look_into_its_parent() -> None:
    """Its environment holds secrets. Also where both are root's."""
    code = "try: open(f'/proc/{os.getppid()}/environ')\nexcept PermissionError: print('refused')"

    assert _confined(code, parent="from daemon.privacy import keep_private; keep_private()") == (
        "refused\n"
    )


def test_workers_can_not_look_into_each_other() -> None:
    """They hold the inputs of other callers."""
    assert _confined("import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))") == "0\n"


def test_threads_files_and_the_socket_work() -> None:
    """What a worker is made of."""
    code = (
        "t = threading.Thread(target=lambda: print(len(open('/proc/self/statm').read()) > 0))\n"
        "t.start(); t.join()\n"
        "print(keep.fileno() in map(int, os.listdir('/proc/self/fd')))\n"
        "print(theirs.fileno() in map(int, os.listdir('/proc/self/fd')) and 'still open')\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
    )

    answers = _confined(code).splitlines()

    assert answers[:2] == ["True", "True"]
    assert answers[3] == "(0, 0)"


def test_the_program_denies_other_machines_and_unknown_numberings() -> None:
    """Instructions of 8 bytes: 5 before the list, 2 after it."""
    program = filter_program(0xC000003E, (1, 2, 3))

    assert len(program) == (5 + 3 + 2) * 8
