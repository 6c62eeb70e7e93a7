# world: skill@sdk
"""Everything a Skill should not do to its host, one at a time; and three harmless things."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pharia_skill import ChatParams, Csi, Message, skill
from pydantic import BaseModel

calls = 0


class Input(BaseModel):
    do: str
    data: Any = None
    size: int = 0


class Output(BaseModel):
    data: Any = None


def echo(csi: Csi, input: Input) -> Any:
    return input.data


def count(csi: Csi, input: Input) -> Any:
    """Tells how often this very instance was called: 1, unless state leaks between calls."""
    global calls
    calls += 1
    return calls


def chat(csi: Csi, input: Input) -> Any:
    return csi.chat("a-model", [Message.user("Hi")], ChatParams()).message.content


def fail(csi: Csi, input: Input) -> Any:
    raise ValueError(str(input.data))


def loop(csi: Csi, input: Input) -> Any:
    while True:
        pass


def sleep(csi: Csi, input: Input) -> Any:
    time.sleep(input.size)


def memory(csi: Csi, input: Input) -> Any:
    hoard = []
    while len(hoard) < input.size:
        hoard.append(b"x" * (1 << 20))
    return len(hoard)


def recursion(csi: Csi, input: Input) -> Any:
    sys.setrecursionlimit(1 << 30)

    def dive(depth: int) -> int:
        return dive(depth + 1) + 1

    return dive(0)


def output(csi: Csi, input: Input) -> Any:
    return "x" * input.size


def print_much(csi: Csi, input: Input) -> Any:
    for stream in (sys.stdout, sys.stderr):
        print("x" * input.size, file=stream, flush=True)


def leave(csi: Csi, input: Input) -> Any:
    os._exit(input.size)


def abort(csi: Csi, input: Input) -> Any:
    os.abort()


def environment(csi: Csi, input: Input) -> Any:
    return {"environ": dict(os.environ), "argv": sys.argv}


def files(csi: Csi, input: Input) -> Any:
    return attempts(
        list_root=lambda: [str(path) for path in Path("/").iterdir()],
        read=lambda: Path("/etc/passwd").read_text(),
        write=lambda: Path("/tmp/poison").write_text("x"),
    )


def network(csi: Csi, input: Input) -> Any:
    return attempts(
        connect=lambda: socket.create_connection(("127.0.0.1", input.size), timeout=1),
        resolve=lambda: socket.getaddrinfo("localhost", 80),
    )


def attempts(**tries: Callable[[], object]) -> dict[str, str]:
    """What each attempt came to; a success starts with `done`."""
    results = {}
    for name, attempt in tries.items():
        try:
            results[name] = f"done: {attempt()}"
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
    return results


DEEDS: dict[str, Callable[[Csi, Input], Any]] = {
    deed.__name__: deed
    for deed in (
        *(echo, count, chat, fail, loop, sleep, memory, recursion, output, print_much),
        *(leave, abort, environment, files, network),
    )
}


@skill
def poison(csi: Csi, input: Input) -> Output:
    """Does what it is told to."""
    return Output(data=DEEDS[input.do](csi, input))
