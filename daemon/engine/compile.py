"""
The compile child: `python -m daemon.engine.compile`. Turns one component into native code.

Components come from strangers, and to make a compiler hang or swell is no bug in its makers'
eyes. So this runs in a process of its own, with caps on memory and CPU time, and is thrown away
after one component. It speaks `build_cache.jobs` over stdin and stdout, and dies with its parent.

Leaves out where files finally go: it writes to the paths it is told.
"""

import argparse
import contextlib
import hashlib
import mmap
import os
import queue
import resource
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import wasmtime
from wasmtime import component as wasm

from daemon.build_cache.jobs import (
    Answer,
    Compile,
    Made,
    Outline,
    Ping,
    Pong,
    Read,
    Refused,
    Request,
    Shared,
    Written,
)
from daemon.component import worlds
from daemon.component.binary import Buffer
from daemon.component.core_module import UnusualError
from daemon.component.memories import initial_memories
from daemon.component.split import SharedModule, split
from daemon.component.strings import bytes_to_strings
from daemon.engine.config import engine
from daemon.errors import DaemonError, ErrorKind
from daemon.privacy import keep_private

_OUT_OF_MEMORY = ("Cannot allocate memory", "out of memory")


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to compile the component."""

    component: Buffer
    shared: tuple[SharedModule, ...]
    strings: bool


def plans(component: Buffer, *, want_split: bool, reasons: list[str]) -> Iterator[Plan]:
    """
    Yield the ways to compile *component*, the best first, the untouched component last.

    Each but the last may be refused by the compiler's validation, which costs next to nothing.
    Why a way does not exist is added to *reasons*.
    """
    forms: list[tuple[Buffer, bool]] = []
    with _noting(reasons):
        forms.append((memoryview(bytes_to_strings(component)), True))
    forms.append((component, False))
    if want_split:
        for form, strings in forms:
            with _noting(reasons):
                parts = split(form)
                yield Plan(parts.component, parts.shared, strings)
    for form, strings in forms:
        yield Plan(form, (), strings)


@contextlib.contextmanager
def _noting(reasons: list[str]) -> Iterator[None]:
    try:
        yield
    except UnusualError as error:
        reasons.append(str(error))
    except DaemonError as error:
        reasons.append(error.detail)


class Job:
    """One component, from its bytes to native code. Owned by `main`."""

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine = engine
        self._plans: Iterator[Plan] = iter(())
        self._plan = Plan(b"", (), strings=False)
        self._modules: dict[str, Buffer] = {}

    def read(self, request: Read) -> Outline:
        """Read and split the component. Raises DaemonError."""
        clock = _Clock()
        content = _mapped(Path(request.component))
        clock.lap("read")
        world, kind = worlds.detect(content)
        reasons: list[str] = []
        self._plans = plans(content, want_split=request.split, reasons=reasons)
        self._plan = next(self._plans)
        self._modules = {one.sha256: one.module for one in self._plan.shared}
        clock.lap("split")
        whole = request.split and not self._plan.shared
        because = "; ".join(dict.fromkeys(reasons)) if whole else ""
        return Outline(
            world,
            kind,
            _named(self._plan),
            memories=initial_memories(content),
            whole_because=because,
            seconds=clock.seconds,
        )

    def compile(self, request: Compile) -> Made:
        """Compile the component and the wanted modules side by side. Raises DaemonError."""
        clock = _Clock()
        with ThreadPoolExecutor() as pool:
            modules = {
                sha256: pool.submit(self._module, sha256, Path(path))
                for sha256, path in request.modules.items()
            }
            component = self._component(Path(request.component)) if request.component else None
            made = {sha256: future.result() for sha256, future in modules.items()}
        clock.lap("compile")
        return Made(component, made, _named(self._plan), self._plan.strings, clock.seconds)

    def _component(self, path: Path) -> Written:
        """Compile the best plan that the compiler accepts."""
        while True:
            try:
                compiled = wasm.Component(self._engine, bytes(self._plan.component))
            except wasmtime.WasmtimeError as error:
                following = next(self._plans, None)
                if following is None:
                    raise _translated(error) from error
                self._plan = following
            else:
                return _write(path, compiled.serialize())

    def _module(self, sha256: str, path: Path) -> Written:
        try:
            module = wasmtime.Module(self._engine, bytes(self._modules[sha256]))
        except wasmtime.WasmtimeError as error:
            raise _translated(error) from error
        return _write(path, module.serialize())


def _mapped(path: Path) -> memoryview:
    """Return the content of a file without reading what nobody looks at."""
    if path.stat().st_size == 0:
        return memoryview(b"")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _named(plan: Plan) -> list[Shared]:
    return [Shared(one.import_name, one.sha256) for one in plan.shared]


def _translated(error: wasmtime.WasmtimeError) -> DaemonError:
    text = str(error)
    if any(sign in text for sign in _OUT_OF_MEMORY):
        return DaemonError(ErrorKind.COMPILE_LIMIT, f"the compiler ran out of memory: {text}")
    return DaemonError(
        ErrorKind.COMPILE_FAILED,
        f"the component does not compile: {text.strip()}; it is damaged, or needs WebAssembly "
        "features that this installation lacks",
    )


def _write(path: Path, content: bytearray) -> Written:
    """Write a new file and see it on the disk. Raises DaemonError CACHE_UNUSABLE."""
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DaemonError(
            ErrorKind.CACHE_UNUSABLE,
            f"can't write a compiled file to the build cache: {error.strerror or error}; "
            "free some disk space, or point SKILL_BUILD_CACHE elsewhere",
        ) from error
    return Written(hashlib.sha256(content).hexdigest(), len(content))


class _Clock:
    """Wall-clock seconds per step. Owned by the function that makes it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        """Enter the time since the last lap under *step*."""
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 4)
        self._last = now


# The program -------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests until stdin ends."""
    _restrict(_arguments())
    answer_to = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints by accident does not end up among the answers
    requests = _requests()
    job = Job(engine())
    while True:
        answer_to.write(msgspec.json.encode(_answer(job, requests.get())) + b"\n")


def _answer(job: Job, request: Request) -> Answer:
    try:
        match request:
            case Ping():
                return Pong()
            case Read():
                return job.read(request)
            case Compile():
                return job.compile(request)
    except DaemonError as error:
        return Refused(error.kind, error.detail)
    except MemoryError:
        return Refused(ErrorKind.COMPILE_LIMIT, "the compiler ran out of memory")
    except OSError as error:
        return Refused(ErrorKind.CACHE_UNUSABLE, f"can't read the pulled component: {error}")


def _requests() -> "queue.SimpleQueue[Request]":
    """Read requests in a thread, so that the end of stdin ends the process, compiling or not."""
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    decoder = msgspec.json.Decoder(Request)

    def read() -> None:
        for line in sys.stdin.buffer:
            waiting.put(decoder.decode(line))
        os._exit(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return waiting


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, required=True, help="cap on memory, in bytes")
    parser.add_argument("--cpu", type=int, required=True, help="cap on CPU time, in seconds")
    parser.add_argument("--nice", type=int, default=0, help="how far to step back for others")
    return parser.parse_args()


def _restrict(arguments: argparse.Namespace) -> None:
    keep_private()
    os.nice(arguments.nice)
    resource.setrlimit(resource.RLIMIT_AS, (arguments.memory, arguments.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (arguments.cpu, arguments.cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
