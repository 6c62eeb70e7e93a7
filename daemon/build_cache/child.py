"""
One compile child, seen from the parent: start it, ask it, know why it died.

Leaves out what to ask (`precompiler`) and what the child does (`engine/compile`).
"""

import asyncio
import logging
import signal
import sys
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

import msgspec

from daemon.build_cache.jobs import Answer, Ping, Pong, Refused, Request
from daemon.errors import DaemonError, ErrorKind

_log = logging.getLogger(__name__)

_PROGRAM = "daemon.engine.compile"
_LONGEST_ANSWER = 1 << 20
_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a compile may take: memory in bytes, CPU and wall-clock time in seconds."""

    memory: int = 4 << 30
    cpu: int = 300
    wall: float = 180.0


class Child:
    """A compile child. Owned by whoever entered it; leaving kills it."""

    def __init__(self, process: asyncio.subprocess.Process, caps: Caps, stderr: IO[bytes]) -> None:
        self._process = process
        self._caps = caps
        self._stderr = stderr

    @classmethod
    async def start(cls, caps: Caps, *, background: bool) -> "Child":
        """
        Start a child that waits for requests; in the background on one thread, last in line.

        Raises DaemonError WORKER_LOST where the machine has no room for it: that may pass.
        """
        try:
            return await cls._start(caps, background=background)
        except OSError as error:
            raise DaemonError(
                ErrorKind.WORKER_LOST, f"no compile child could be started: {error}"
            ) from error

    @classmethod
    async def _start(cls, caps: Caps, *, background: bool) -> "Child":
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", _PROGRAM),
                *("--memory", str(caps.memory), "--cpu", str(caps.cpu)),
                *("--nice", "19" if background else "5"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env={"RAYON_NUM_THREADS": "1"} if background else {},
                limit=_LONGEST_ANSWER,
                start_new_session=True,  # a terminal's Ctrl-C is for the parent alone
            )
        except BaseException:  # cancelled, or no such program: then there is no child
            stderr.close()
            raise
        return cls(process, caps, stderr)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()

    def send_signal(self, number: int) -> None:
        """Send a signal, if there is still somebody to get it."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """End the child at once."""
        self.send_signal(signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        self._stderr.close()

    async def answers(self) -> bool:
        """
        Tell whether it can be given work.

        Only it can say so: of a death, its parent may hear a moment too late.
        """
        try:
            return isinstance(await self.ask(Ping()), Pong)
        except DaemonError as error:
            _log.info("a compile child that waited for work is replaced: %s", error.detail)
            return False

    async def ask(self, request: Request) -> Answer:
        """Return the child's answer. Raises DaemonError for refusals, caps and crashes."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise DaemonError(ErrorKind.INTERNAL, "the compile child has no pipes")
        try:
            async with asyncio.timeout(self._caps.wall):
                stdin.write(msgspec.json.encode(request) + b"\n")
                await stdin.drain()
                line = await stdout.readline()
        except TimeoutError as error:
            raise DaemonError(
                ErrorKind.COMPILE_LIMIT,
                f"compiling took longer than {self._caps.wall:g} s and was stopped",
            ) from error
        except ConnectionError:
            line = b""
        if not line:
            raise why_died(await self._process.wait(), self._last_words(), self._caps)
        answer = _decoder.decode(line)
        if isinstance(answer, Refused):
            raise DaemonError(ErrorKind(answer.kind), answer.message)
        return answer

    def _last_words(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read()[-2000:].decode(errors="replace").strip()


def why_died(status: int, stderr: str, caps: Caps) -> DaemonError:
    """Return the error for a child that ended with exit *status* (negative: by that signal)."""
    if status == -signal.SIGXCPU:
        return DaemonError(
            ErrorKind.COMPILE_LIMIT,
            f"compiling took more than {caps.cpu} s of CPU time and was stopped",
        )
    if status == -signal.SIGKILL:
        return DaemonError(
            ErrorKind.COMPILE_LIMIT,
            "the compile child was killed from outside, most likely because the machine or "
            "container ran out of memory",
        )
    if "memory allocation of" in stderr or "MemoryError" in stderr:
        return DaemonError(
            ErrorKind.COMPILE_LIMIT,
            f"compiling needed more than {caps.memory >> 20} MiB of memory and was stopped",
        )
    # A compiler that gives up ends by a signal; a traceback is our bug, or a machine at its limits.
    kind = ErrorKind.INTERNAL if status > 0 else ErrorKind.COMPILE_FAILED
    return DaemonError(
        kind, f"the compiler ended with status {status} and said: {stderr or 'nothing'}"
    )
