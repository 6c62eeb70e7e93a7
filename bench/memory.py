"""The memory of a daemon and all its processes, as the kernel counts it."""

import contextlib
from pathlib import Path

from bench.stage import MissingError
from tests.e2e.harness import Daemon


def proportional(daemon: Daemon) -> int:
    """Bytes, shared pages divided among those who share them. Raises MissingError."""
    return _sum(daemon, "Pss:")


def private(daemon: Daemon) -> int:
    """Bytes that its processes have for themselves. Raises MissingError."""
    return _sum(daemon, "Private_")


def _sum(daemon: Daemon, field: str) -> int:
    assert daemon.process is not None
    total = 0
    for pid in (daemon.process.pid, *daemon.children()):
        # A spare compile child may come and go meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = _rollup(pid).splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return total << 10


def _rollup(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError as error:
        raise MissingError("skilld's processes show their memory to root only") from error
