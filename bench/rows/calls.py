"""Calls of a Python Skill over HTTP, against bare wasmtime loops that do nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import load
from bench.row import Bound, Row, ratio
from bench.stage import ROOT, TOPIC, Stage

_PATH = "/v1/skills/team/hello/run"
_CONNECTIONS = 16


def throughput(stage: Stage) -> Row:
    """All cores, 16 connections; the load generator takes its share of the same cores."""
    cores = os.cpu_count() or 1
    seconds = 2.0 if stage.quick else 3.0
    baseline = _Bare(stage)
    ours: list[float] = []
    bare: list[float] = []
    with stage.serving_hello(WORKERS=cores) as daemon:
        request = load.post(_PATH, TOPIC)
        load.run(daemon.address, request, connections=_CONNECTIONS, seconds=1.0)
        for _ in stage.rounds(6, 3):
            bare.append(sum(one["calls"] / one["seconds"] for one in baseline.run(cores, seconds)))
            result = load.run(daemon.address, request, connections=_CONNECTIONS, seconds=seconds)
            assert not result.failures, f"calls failed: {result.failures[:5]}"
            ours.append(result.rate)
    return Row(
        name="throughput",
        what="calls/s of a Python Skill over HTTP, 16 connections, all cores",
        baseline=f"bare wasmtime loops in {cores} processes",
        bound=Bound(limit=0.75, at_least=True),
        value=ratio(ours, bare),
        measured=f"{median(ours):.0f}/s against {median(bare):.0f}/s",
        raw={"calls_per_second": ours, "bare_calls_per_second": bare},
    )


def latency(stage: Stage) -> Row:
    """One connection, closed loop: the next call is sent once the answer is there."""
    seconds = 2.0 if stage.quick else 3.0
    baseline = _Bare(stage)
    ours: list[float] = []
    bare: list[float] = []
    tail: list[float] = []
    with stage.serving_hello() as daemon:
        request = load.post(_PATH, TOPIC)
        load.run(daemon.address, request, connections=1, seconds=1.0)
        for _ in stage.rounds(6, 3):
            bare.extend(one["p50"] for one in baseline.run(1, seconds))
            result = load.run(daemon.address, request, connections=1, seconds=seconds)
            assert not result.failures, f"calls failed: {result.failures[:5]}"
            ours.append(result.percentile(0.5))
            tail.append(result.percentile(0.99))
        warm = daemon.metric("skilld_warm_calls_total")
    return Row(
        name="latency",
        what="p50 of a call over HTTP, one connection",
        baseline="p50 of bare wasmtime instantiate + run",
        bound=Bound(limit=1.0),
        value=ratio(ours, bare),
        measured=f"{median(ours) * 1e3:.2f} ms against {median(bare) * 1e3:.2f} ms, "
        f"p99 {median(tail) * 1e3:.2f} ms",
        raw={"p50": ours, "p99": tail, "bare_p50": bare, "warm_calls": warm},
    )


class _Bare:
    """Bare loops over `hello`, compiled once. Owned by a row."""

    def __init__(self, stage: Stage) -> None:
        self._component = stage.root / "bare.wasm"
        if not self._component.exists():
            os.link(stage.hello, self._component)
            self.run(1, 0.1)

    def run(self, processes: int, seconds: float) -> list[dict[str, float]]:
        """Run so many side by side; return what each reports."""
        running = [_start(self._component, seconds) for _ in range(processes)]
        return list(_reports(running))


def _start(component: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.bare", str(component), TOPIC.decode(), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _reports(running: list["subprocess.Popen[str]"]) -> Iterator[dict[str, float]]:
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, "a bare loop failed"
        yield json.loads(output)
