"""
The baseline: bare wasmtime-py, one process, one loop of instantiate + run, nothing else.

`python -m bench.bare FILE.wasm JSON SECONDS` compiles (or takes FILE.bare.cwasm from beside it),
runs for SECONDS, and prints one JSON line: calls, seconds, p50. What a team would write first: the
stock API, a fresh store and instance per call, the same WASI context, epochs on.
"""

import json
import sys
import time
from pathlib import Path

import wasmtime
from wasmtime import component as wc


def prepare(wasm: Path) -> tuple[wasmtime.Engine, wc.Component]:
    """Compile, or load what an earlier run compiled."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    engine = wasmtime.Engine(config)
    compiled = wasm.with_suffix(".bare.cwasm")
    if not compiled.exists() or compiled.stat().st_mtime < wasm.stat().st_mtime:
        compiled.write_bytes(wc.Component(engine, wasm.read_bytes()).serialize())
    return engine, wc.Component.deserialize_file(engine, str(compiled))


def _linker(engine: wasmtime.Engine, loaded: wc.Component) -> wc.Linker:
    linker = wc.Linker(engine)
    linker.add_wasip2()
    refuse_csi(linker, loaded, engine)
    return linker


def refuse_csi(linker: wc.Linker, loaded: wc.Component, engine: wasmtime.Engine) -> None:
    """Put a refusal behind every CSI import."""
    for name, imported in loaded.type.imports(engine).items():
        kind = imported.ty
        if not name.startswith("pharia:skill/"):
            continue
        assert isinstance(kind, wc.ComponentInstanceType)
        with linker.root() as root, root.add_instance(name) as interface:
            for item, exported in kind.exports(engine).items():
                item_kind = exported.ty
                if isinstance(item_kind, wc.FuncType):
                    interface.add_func(item, _refuse)
                elif isinstance(item_kind, wc.ResourceType):
                    interface.add_resource(item, wc.ResourceType.host(1), lambda _, __: None)


def _refuse(*_: object) -> None:
    raise RuntimeError("the baseline has no host")


def loop(wasm: Path, body: bytes, seconds: float) -> tuple[list[float], float]:
    """Return the seconds of each call, and of all."""
    engine, loaded = prepare(wasm)
    linker = _linker(engine, loaded)
    handler = next(
        name
        for name in loaded.type.exports(engine)
        if name.startswith("pharia:skill/skill-handler")
    )
    interface = loaded.get_export_index(handler)
    run = loaded.get_export_index("run", interface)
    assert run is not None
    latencies = []
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        store = wasmtime.Store(engine)
        store.set_wasi(wasmtime.WasiConfig())
        store.set_epoch_deadline(1 << 40)
        instance = linker.instantiate(store, loaded)
        function = instance.get_func(store, run)
        assert function is not None
        result = function(store, body)
        function.post_return(store)
        store.close()
        assert result is not None
        latencies.append(time.perf_counter() - now)
    return latencies, time.perf_counter() - start


def main() -> None:
    """Run as a program; see the module docstring."""
    wasm, body, seconds = Path(sys.argv[1]), sys.argv[2].encode(), float(sys.argv[3])
    loop(wasm, body, 0.3)  # warm up: page cache, lazy imports
    latencies, total = loop(wasm, body, seconds)
    latencies.sort()
    report = {"calls": len(latencies), "seconds": total, "p50": latencies[len(latencies) // 2]}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
