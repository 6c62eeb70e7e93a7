"""Tiny Skills, where the daemon's own work is all there is: big bodies, and many calls."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import wasmtime
from wasmtime import component as wasm

from bench import bare, load
from bench.row import Bound, Row, ratio
from bench.stage import ROOT, Stage, compiled
from daemon.engine import execute
from daemon.engine.call import Call, running
from daemon.engine.describe import NoHost
from daemon.engine.gate import Gate
from daemon.engine.loaded import Loaded, Loader
from daemon.skill import World
from tests.components import component
from tests.e2e.skills import wanting
from tests.wat import components

_BODY = b'["' + b"x" * ((1 << 20) - 4) + b'"]'
_MEMORY = 1 << 28
_HANDLER = f"pharia:skill/skill-handler@{World.V0_5.value}"
_PATH = "/v1/skills/team/echo/run"
_CONNECTIONS = 16


def payload(stage: Stage) -> Row:
    """Instantiate and call an echo in this process, both ways; and once over HTTP, to be told."""
    echo = _echo(stage)
    skill, stock = _loaded(stage, echo), _Stock(echo)
    ours, theirs = [], []
    for _ in stage.rounds(5, 3):
        theirs.append(_seconds(stock.call))
        ours.append(median(_seconds(lambda: _call(skill)) for _ in range(5)))
    with stage.daemon(echo.parent / "none") as daemon:
        daemon.write(wanting("echo", path=echo.parent))
        daemon.ready()
        request = load.post(_PATH, _BODY)
        http = load.run(daemon.address, request, connections=1, count=20)
    assert not http.failures, f"calls failed: {http.failures[:5]}"
    return Row(
        name="payload",
        what="1 MiB JSON in and out: instantiate + call, conversions included",
        baseline="the same with the stock wasmtime-py conversion",
        bound=Bound(limit=10, at_least=True),
        value=ratio(theirs, ours),
        measured=f"{median(ours) * 1e3:.1f} ms against {median(theirs) * 1e3:.0f} ms; "
        f"over HTTP {http.percentile(0.5) * 1e3:.1f} ms",
        raw={"seconds": ours, "stock_seconds": theirs, "http_p50": http.percentile(0.5)},
    )


def tiny(stage: Stage) -> Row:
    """One parent process serves all: this is its ceiling, workers aside."""
    echo = _echo(stage)
    seconds = 1.5 if stage.quick else 2.5
    ours: list[float] = []
    theirs: list[float] = []
    with stage.daemon(echo.parent / "none") as daemon:
        daemon.write(wanting("echo", path=echo.parent))
        daemon.ready()
        request = load.post(_PATH, b'{"topic": "you"}')
        with _handler() as address:
            for _ in stage.rounds(4, 3):
                for rates, target in ((ours, daemon.address), (theirs, address)):
                    result = load.run(target, request, connections=_CONNECTIONS, seconds=seconds)
                    assert not result.failures, f"calls failed: {result.failures[:5]}"
                    rates.append(result.rate)
    return Row(
        name="tiny",
        what="calls/s of a tiny Skill, 16 connections",
        baseline="a bare aiohttp handler that echoes",
        bound=Bound(),
        value=ratio(ours, theirs),
        measured=f"{median(ours):.0f}/s against {median(theirs):.0f}/s",
        raw={"calls_per_second": ours, "bare_calls_per_second": theirs},
    )


def _echo(stage: Stage) -> Path:
    path = stage.root / "tiny" / "echo.wasm"
    if not path.exists():
        (path.parent / "none").mkdir(parents=True)
        path.write_bytes(component(_named(components.function())))
    return path


def _named(text: str) -> str:
    """Name the core functions as the SDK's tools do: byte lists are only found by these names."""
    for name in ("run", "metadata"):
        text = text.replace(f'(func (export "{name}")', f'(func (export "{_HANDLER}#{name}")', 1)
        text = text.replace(f'(core func $i "{name}")', f'(core func $i "{_HANDLER}#{name}")')
    return text


# Ours --------------------------------------------------------------------------------------------


def _loaded(stage: Stage, component: Path) -> Loaded:
    artifact = asyncio.run(compiled(stage, component))
    assert artifact.strings, "the byte lists of the echo were not found"
    return Loader().load(
        world=artifact.world,
        kind=artifact.kind,
        path=str(artifact.component),
        shared=(),
        strings=artifact.strings,
        memories=len(artifact.memories),
    )


def _call(skill: Loaded) -> None:
    """Call once, as a worker does."""
    call = Call(number=1, timeout=60, gate=Gate(), host=NoHost())
    call.begin()
    with running(call):
        instance = skill.instantiate(memory=_MEMORY, call=call)
        assert execute.run(call, skill, instance, text=_BODY, cap=1 << 24) == _BODY
        instance.close()


# Stock -------------------------------------------------------------------------------------------


class _Stock:
    """The echo under the stock API. Owned by its row."""

    def __init__(self, path: Path) -> None:
        self._engine = wasmtime.Engine()
        self._component = wasm.Component(self._engine, path.read_bytes())
        self._linker = wasm.Linker(self._engine)
        self._linker.add_wasip2()
        bare.refuse_csi(self._linker, self._component, self._engine)

    def call(self) -> None:
        """Call once."""
        store = wasmtime.Store(self._engine)
        store.set_wasi(wasmtime.WasiConfig())
        instance = self._linker.instantiate(store, self._component)
        handler = self._component.get_export_index(_HANDLER)
        index = self._component.get_export_index("run", handler)
        assert index is not None
        run = instance.get_func(store, index)
        assert run is not None
        result = run(store, _BODY)
        run.post_return(store)
        assert len(result.payload if hasattr(result, "payload") else result) == len(_BODY)


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class _handler:  # noqa: N801 - reads as a statement
    """A bare aiohttp handler in a process of its own, for the length of a block."""

    def __enter__(self) -> tuple[str, int]:
        command = [sys.executable, "-m", "bench.handler"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return "127.0.0.1", int(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
