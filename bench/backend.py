"""
A backend for the CSI to ask, as a process of its own: the stub that the tests use.

Leaves out what is asked of it (`rows/hosting`).
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from bench.stage import ROOT


@dataclass(frozen=True, slots=True)
class Backend:
    """An OpenAI-compatible server on this machine."""

    port: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self.port

    @property
    def settings(self) -> dict[str, str]:
        """What makes a daemon ask it."""
        url = f"http://127.0.0.1:{self.port}"
        return {"OPENAI_INFERENCE__URL": url, "OPENAI_INFERENCE__TOKEN": "any"}


@contextlib.contextmanager
def backend(*, latency: float = 0.0, pace: float = 0.0) -> Iterator[Backend]:
    """Run one: *latency* before an answer, *pace* between two pieces of a stream, in seconds."""
    command = [sys.executable, "-m", "tests.openai_stub"]
    command += ["--latency", str(latency), "--pace", str(pace)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Backend(int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()
