"""What it costs a Python Skill to ask its host: one call, a first token, a thousand calls."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from bench import load
from bench.backend import Backend, backend
from bench.memory import private
from bench.row import Bound, Row
from bench.stage import ROOT, MissingError, Stage
from tests.e2e.harness import Daemon
from tests.e2e.skills import wanting

_COMPONENTS = ROOT / "skill_build_cache" / "sdk"
_ANSWERED = 50
_PACE = 0.05
_LATENCY = 10.0
_PROBE = 0.02
_CHAT = {"model": "stub", "messages": [{"role": "user", "content": "Hi"}]}


def host_call(stage: Stage) -> Row:
    """One guest asks many times in a row, so that its start costs nothing; and once, to compare."""
    ours: list[float] = []
    bare: list[float] = []
    chat = load.post("/chat/completions", json.dumps(_CHAT).encode())
    with backend() as stub, _serving(stage, "csi", stub) as daemon:
        for count in (1, _ANSWERED):
            _call(daemon, count)
        for _ in stage.rounds(10, 5):
            result = load.run(stub.address, chat, connections=1, count=_ANSWERED)
            assert not result.failures, f"the backend failed: {result.failures[:5]}"
            bare.append(result.percentile(0.5))
            one, many = _call(daemon, 1), _call(daemon, 1 + _ANSWERED)
            ours.append((many - one) / _ANSWERED)
    return Row(
        name="host-call",
        what="a chat asked by a Python Skill (guest → backend → guest), beyond the HTTP request",
        baseline="the bare HTTP request to the same backend, which answers at once",
        bound=Bound(),
        value=(median(ours) - median(bare)) * 1e3,
        unit="ms",
        measured=f"{median(ours) * 1e3:.2f} ms against {median(bare) * 1e3:.2f} ms",
        raw={"seconds": ours, "bare_seconds": bare},
    )


def _call(daemon: Daemon, count: int) -> float:
    start = time.perf_counter()
    answer = daemon.run("team/csi", {"do": "chat_again", "count": count})
    assert answer.json() == {"data": ["Hello"] * count}, answer.body
    return time.perf_counter() - start


def first_token(stage: Stage) -> Row:
    """From the request to the first text, through a Python Skill that forwards a stream."""
    ours: list[float] = []
    bare: list[float] = []
    direct = load.post("/chat/completions", json.dumps({**_CHAT, "stream": True}).encode())
    forward = load.post(
        "/v1/skills/team/csi-stream/message-stream", json.dumps({"do": "forward_chat"}).encode()
    )
    with backend(pace=_PACE) as stub, _serving(stage, "csi-stream", stub) as daemon:
        _first(daemon.address, forward)
        for _ in stage.rounds(30, 10):
            bare.append(_first(stub.address, direct))
            ours.append(_first(daemon.address, forward))
    return Row(
        name="first-token",
        what="first text of a streamed Python Skill, later than the backend's",
        baseline="the first text of the same stream, read from the backend",
        bound=Bound(),
        value=(median(ours) - median(bare)) * 1e3,
        unit="ms",
        measured=f"{median(ours) * 1e3:.1f} ms against {median(bare) * 1e3:.1f} ms",
        raw={"seconds": ours, "bare_seconds": bare},
    )


def _first(address: tuple[str, int], request: bytes) -> float:
    """Seconds from a request to its first text."""
    with socket.create_connection(address) as connection:
        start = time.perf_counter()
        connection.sendall(request)
        heard = b""
        while b"Hello" not in heard:
            piece = connection.recv(1 << 16)
            assert piece, f"the stream ended early: {heard!r}"
            heard += piece
        return time.perf_counter() - start


# A thousand -------------------------------------------------------------------------------------


def waiting(stage: Stage) -> Row:
    """All at once, to a backend that takes its time; `/health` is asked fifty times a second."""
    calls = 200 if stage.quick else 1000
    with backend(latency=_LATENCY) as stub, _serving(stage, "csi", stub) as daemon:
        _call(daemon, 1)
        idle = private(daemon)
        result, health, held = asyncio.run(_crowd(daemon, calls))
    assert not result.failures, f"calls failed: {result.failures[:5]}"
    each = (held - idle) / calls / (1 << 20)
    slowest = result.percentile(1.0)
    return Row(
        name="waiting",
        what=f"`/health` p99 while {calls} Python Skills wait for a backend",
        baseline="none",
        bound=Bound(limit=100),
        value=health.percentile(0.99) * 1e3,
        unit="ms",
        measured=f"all answered, within {slowest - _LATENCY:.1f} s beyond the backend's "
        f"{_LATENCY:g} s; {each:.2f} MiB each",
        raw={
            "calls": calls,
            "slowest": slowest,
            "bytes_each": (held - idle) / calls,
            "health": {str(share): health.percentile(share) for share in (0.5, 0.99, 1.0)},
        },
    )


async def _crowd(daemon: Daemon, calls: int) -> tuple[load.Result, load.Result, int]:
    """Send all; return how they were answered, how `/health` was, and the memory while all wait."""
    body = json.dumps({"do": "chat_again", "count": 1}).encode()
    request = load.post("/v1/skills/team/csi/run", body)
    health = load.Result()
    probing = asyncio.ensure_future(_probe(daemon.address, health))
    memory = asyncio.ensure_future(asyncio.to_thread(_held, daemon, calls))
    result = await load.send(daemon.address, request, connections=calls, seconds=3600, count=1)
    probing.cancel()
    return result, health, await memory


async def _probe(address: tuple[str, int], health: load.Result) -> None:
    reader, writer = await asyncio.open_connection(*address)
    with contextlib.closing(writer):
        while True:
            start = time.perf_counter()
            writer.write(b"GET /health HTTP/1.1\r\nHost: bench\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(2)  # ok
            health.latencies.append(time.perf_counter() - start)
            await asyncio.sleep(_PROBE)


def _held(daemon: Daemon, calls: int) -> int:
    """The memory of the daemon once so many calls wait."""
    waits = 'skilld_calls{state="waiting"}'
    daemon.eventually(lambda: daemon.metric(waits), lambda now: now == calls, within=120)
    return private(daemon)


@contextlib.contextmanager
def _serving(stage: Stage, name: str, stub: Backend) -> Iterator[Daemon]:
    """A daemon that serves one of the tests' Skills, compiled whole, and asks *stub*."""
    component = _COMPONENTS / f"{name.replace('-', '_')}.wasm"
    if not component.exists():
        raise MissingError(f"{component.relative_to(ROOT)} is missing: run `make bench`")
    registry = stage.root / "hosting"
    registry.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (registry / f"{name}.wasm").symlink_to(component)
    settings: dict[str, Any] = {"PRECOMPILE": "whole", **stub.settings}
    with stage.daemon(**settings) as daemon:
        daemon.write(wanting(name, path=registry))
        daemon.ready(within=120)
        path = f"/v1/skills/team/{name}/metadata"
        daemon.eventually(lambda: daemon.get(path).status, lambda now: now == 200, within=120)
        yield daemon
