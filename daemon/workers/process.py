"""
One worker process as its parent sees it: start, handshake, frames, and its end.

The child inherits one socket and nothing else: no environment, no other descriptor, no terminal.
Nothing it says is trusted: what does not parse ends it. Leaves out what the frames mean
(`supervisor`) and when a worker has to go (`fleet`).
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import daemon
from daemon.errors import DaemonError, ErrorKind
from daemon.workers.messages import (
    HEADER_BYTES,
    MAX_FRAME,
    PROTOCOL,
    FromWorker,
    Hello,
    ToWorker,
    decode_from_worker,
    encode,
)

_STDERR_LINES = 20
_STDERR_BYTES = 16 << 10
_PARTING = 0.5
"""Seconds between hanging up and exiting, before it is helped along: its status says why."""

# `-I` ignores environment and working directory, so the package's place is passed by hand.
_BOOT = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('daemon.workers.main', run_name='__main__', alter_sys=True)"
)


def worker_command() -> tuple[str, ...]:
    """Return the command of a worker, to which the number of its socket is added."""
    root = Path(daemon.__file__).parent.parent
    return (sys.executable, "-I", "-c", _BOOT, str(root))


@dataclass(frozen=True, slots=True)
class Lost:
    """How a worker ended, and its last lines on stderr."""

    reason: str
    stderr: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; its last words: {self.stderr}" if self.stderr else self.reason


class _Frames(asyncio.Protocol):
    """Cuts the bytes from a worker into frames. Owned by its `WorkerProcess`."""

    def __init__(
        self, receive: Callable[[FromWorker], None], *, ended: Callable[[str | None], None]
    ) -> None:
        """*ended* hears why the worker can't be listened to any more; None: it hung up."""
        self._receive = receive
        self._ended = ended
        self._buffer = bytearray()
        self._needed = HEADER_BYTES
        self._over = False

    def data_received(self, data: bytes) -> None:
        """Hand on every complete frame; small ones are parsed where they lie."""
        chunk: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            chunk, self._buffer = self._buffer, bytearray()
        rest = self._cut(memoryview(chunk))
        self._buffer += rest

    def _cut(self, view: memoryview) -> memoryview:
        """Hand on the frames in *view* and return what is left of it."""
        while len(view) >= HEADER_BYTES and not self._over:
            size = int.from_bytes(view[:HEADER_BYTES], "big")
            if size > MAX_FRAME:
                self._fail(f"announced a frame of {size} bytes")
                break
            stop = HEADER_BYTES + size
            if len(view) < stop:
                self._needed = stop
                return view
            self._decode(view[HEADER_BYTES:stop])
            view = view[stop:]
        self._needed = HEADER_BYTES
        return view

    def _decode(self, body: memoryview) -> None:
        try:
            frame = decode_from_worker(body)
        except msgspec.DecodeError as error:
            self._fail(f"sent garbage ({error})")
            return
        self._receive(frame)

    def _fail(self, reason: str) -> None:
        self._over = True
        self._ended(reason)

    def connection_lost(self, error: Exception | None) -> None:
        """The worker hung up, or we did."""
        if not self._over:
            self._over = True
            self._ended(None)


class _Child(asyncio.SubprocessProtocol):
    """Keeps the last lines that a worker wrote, and its exit. Owned by its `WorkerProcess`."""

    def __init__(self) -> None:
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tail = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Bounded: a worker may write as much as it likes."""
        self._tail = (self._tail + data)[-_STDERR_BYTES:]

    def connection_lost(self, error: Exception | None) -> None:
        """Reaped, and its stderr read to the end."""
        if not self.exited.done():
            self.exited.set_result(None)

    @property
    def tail(self) -> str:
        """The last lines, made printable."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return "\n".join(deque(lines, maxlen=_STDERR_LINES)).strip()


class WorkerProcess:
    """A started worker. Owned by the fleet."""

    def __init__(
        self, receive: Callable[[FromWorker], None], *, lost: Callable[[Lost], None]
    ) -> None:
        self._receive = receive
        self._lost = lost
        self._reason: str | None = None
        self._expected = False
        self._hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._child = _Child()
        self._process: asyncio.SubprocessTransport | None = None
        self._socket: asyncio.Transport | None = None
        self._last_call: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None before there is a process."""
        return self._process.get_pid() if self._process is not None else None

    async def start(self, command: Sequence[str], *, timeout: float) -> None:
        """Start *command* and greet it. Raises DaemonError WORKER_LOST after cleaning up."""
        try:
            async with asyncio.timeout(timeout):
                await self._spawn(command)
                hello = await self._hello
        except TimeoutError:
            await self.close(grace=0)
            raise self._failed(f"did not say hello within {timeout:g} s") from None
        except OSError as error:
            raise self._failed(f"could not be started: {error}") from error
        except asyncio.CancelledError:
            await self.close(grace=0)
            raise
        if hello.protocol != PROTOCOL:
            await self.close(grace=0)
            raise self._failed(f"speaks protocol {hello.protocol} instead of {PROTOCOL}")

    async def _spawn(self, command: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                transport, _ = await loop.subprocess_exec(
                    lambda: self._child,
                    *command,
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env={},
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # a Ctrl-C at our terminal is ours to handle
                )
            self._process = transport
            ours.settimeout(0.0)
            frames = _Frames(self._received, ended=self._ended)
            connection, _ = await loop.create_unix_connection(lambda: frames, sock=ours)
        except BaseException:
            ours.close()
            raise
        self._socket = connection

    def _failed(self, why: str) -> DaemonError:
        return DaemonError(ErrorKind.WORKER_LOST, f"a worker {Lost(why, self._child.tail)}")

    def _received(self, frame: FromWorker) -> None:
        if self._reason is not None:
            return  # it is being killed: nothing it says counts
        if self._hello.done():
            self._receive(frame)
        elif isinstance(frame, Hello):
            self._hello.set_result(frame)
        else:
            self.kill(f"began with {type(frame).__name__} instead of Hello")

    def _ended(self, reason: str | None) -> None:
        """Nothing more will be heard: make sure of its end, then say so once it is reaped."""
        self._reason = self._reason or reason
        if self._reason is None:
            self._last_call = asyncio.get_running_loop().call_later(_PARTING, self.kill)
        else:
            self.kill()
        self._child.exited.add_done_callback(lambda _: self._report())

    def _report(self) -> None:
        if self._last_call is not None:
            self._last_call.cancel()
        if not self._hello.done():
            self._hello.set_exception(self._failed(self._reason or self._exit()))
        elif not self._expected:
            self._lost(Lost(self._reason or self._exit(), self._child.tail))
        self._release()

    def _exit(self) -> str:
        status = self._process.get_returncode() if self._process is not None else None
        if status is not None and status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"exited with status {status}"

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.close()

    def send(self, message: ToWorker) -> None:
        """Queue a frame; dropped where the worker is gone. Raises OverflowError if too large."""
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(encode(message))

    def kill(self, reason: str | None = None) -> None:
        """End it now; *reason* is what its loss is reported with. Once it is dead: nothing."""
        self._reason = self._reason or reason
        if self._process is not None and self._process.get_returncode() is None:
            # It may have ended by itself just now: then its exit is about to be reported.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def wait(self, *, timeout: float) -> bool:
        """Wait for its end; return whether it came within *timeout* seconds."""
        done, _ = await asyncio.wait([self._child.exited], timeout=timeout)
        return bool(done)

    def expect_end(self) -> None:
        """From now on its end is nothing to report."""
        self._expected = True

    async def close(self, *, grace: float) -> None:
        """Hang up, terminate, and after *grace* seconds kill. Returns when it is reaped."""
        self.expect_end()
        if not self._hello.done():
            self._hello.cancel()
        if self._process is None:
            return
        if self._process.get_returncode() is None and grace > 0:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self.wait(timeout=grace)
        self.kill()
        await asyncio.shield(self._child.exited)
        self._release()
