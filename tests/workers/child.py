"""The other end of a real worker process, for tests: says and hears frames, blocking."""

import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from daemon.skill import SkillKind, World
from daemon.workers import messages

_M = TypeVar("_M")
_PATIENCE = 30.0


class Child:
    """A worker and the parent's end of its socket."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.process = process
        self._socket = connection
        self._numbers = itertools.count(1)

    def say(self, message: messages.ToWorker) -> None:
        self._socket.sendall(messages.encode(message))

    def hear(self) -> messages.FromWorker:
        header = self._exactly(messages.HEADER_BYTES)
        return messages.decode_from_worker(self._exactly(int.from_bytes(header, "big")))

    def hear_a(self, kind: type[_M]) -> _M:
        message = self.hear()
        assert isinstance(message, kind), message
        return message

    def hang_up(self) -> None:
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        body = bytearray()
        while len(body) < size:
            part = self._socket.recv(size - len(body))
            assert part, "the worker is gone"
            body += part
        return bytes(body)

    def load(
        self,
        path: Path,
        *,
        artifact: str = "skill",
        world: World = World.V0_5,
        kind: SkillKind = SkillKind.FUNCTION,
        strings: bool = False,
        describe: bool = False,
        timeout: float = 10.0,
        shared: list[tuple[str, str]] | None = None,
    ) -> messages.Loaded:
        self.say(
            messages.Load(
                artifact,
                world.value,
                kind.value,
                str(path),
                shared=shared or [],
                strings=strings,
                describe=describe,
                timeout=timeout,
            )
        )
        return self.hear_a(messages.Loaded)

    def start(
        self,
        text: bytes,
        *,
        artifact: str = "skill",
        timeout: float = 10.0,
        memory: int = 1 << 28,
        output: int = 1 << 20,
        credit: int = 32,
    ) -> int:
        number = next(self._numbers)
        self.say(
            messages.Run(
                number, artifact, text, timeout, memory=memory, output=output, credit=credit
            )
        )
        return number

    def run(self, text: bytes, **limits: float) -> messages.Done:
        self.start(text, **limits)  # type: ignore[arg-type]
        return self.hear_a(messages.Done)

    def pong(self) -> messages.Pong:
        self.say(messages.Ping())
        return self.hear_a(messages.Pong)


@contextmanager
def running_child(environment: dict[str, str] | None = None) -> Iterator[Child]:
    """Start a worker, and kill it in the end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(_PATIENCE)
    command = [sys.executable, "-m", "daemon.workers.main", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment or {})
    child = Child(process, ours)
    try:
        assert child.hear_a(messages.Hello) == messages.Hello(messages.PROTOCOL)
        yield child
    finally:
        ours.close()
        process.kill()
        process.wait()
