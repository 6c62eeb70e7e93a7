"""
An artifact as it lies in memory: the component, its linker, and where its exports are.

Leaves out reading its metadata (`describe`) and calling it (`execute`).
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import wasmtime
from wasmtime import component

from daemon.engine import capi, config, imports
from daemon.engine.call import Call
from daemon.engine.failures import not_instantiated
from daemon.engine.instance import Instance
from daemon.engine.linker import Bindings
from daemon.engine.worlds.output import STREAM_OUTPUT
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, World

_HANDLER = "pharia:skill/skill-handler@"
_STREAM = "pharia:skill/message-stream@"


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Loaded:
    """A component that can be instantiated. Addresses are valid as long as this object lives."""

    world: World
    kind: SkillKind
    strings: bool
    memories: int
    engine: int
    linker: int
    component: int
    run: int
    metadata: int | None
    output_kind: int
    owners: tuple[object, ...]

    def instantiate(self, *, memory: int, call: Call) -> Instance:
        """Make an instance for *call*, the current one. Raises DaemonError."""
        try:
            return Instance(
                engine=self.engine,
                linker=self.linker,
                component=self.component,
                memory=memory,
                memories=self.memories,
            )
        except capi.WasmError as error:
            raise blame(call, not_instantiated(error.message, memory=memory)) from error


def blame(call: Call, otherwise: DaemonError) -> DaemonError:
    """Return what ended *call*: the error in its own slot, before what wasmtime made of it."""
    error, call.error = call.error, None
    match error:
        case None:
            return otherwise
        case DaemonError():
            return error
        case OverflowError() | MemoryError():
            return DaemonError(ErrorKind.OUTPUT_TOO_LARGE, f"A host call failed: {error}")
        case _:
            broken = DaemonError(
                ErrorKind.INTERNAL, f"A host function failed: {type(error).__name__}: {error}"
            )
            broken.__cause__ = error
            return broken


class Loader:
    """Loads artifacts for one engine. Owned by the worker; may be used from any thread."""

    def __init__(self) -> None:
        self.engine = config.engine()
        self._address = capi.address(self.engine)
        self._bindings = Bindings()
        self._sharing = threading.Lock()  # what two threads make at a time is not shared
        self._linkers: WeakValueDictionary[
            tuple[tuple[str, wasmtime.Module], ...], component.Linker
        ] = WeakValueDictionary()
        self._whole = self._linker(())  # of all whole components: worth keeping
        self._modules: WeakValueDictionary[str, wasmtime.Module] = WeakValueDictionary()

    def advance_epoch(self) -> None:
        """One tick."""
        capi.increment_epoch(self._address)

    def load(
        self,
        *,
        world: World,
        kind: SkillKind,
        path: str,
        shared: Iterable[tuple[str, str]],
        strings: bool,
        memories: int,
    ) -> Loaded:
        """Map the files of an artifact. Raises DaemonError, MISSING_IMPORT among others."""
        try:
            with self._sharing:
                modules = tuple((name, self._module(file)) for name, file in shared)
                linker = self._linker(modules)
            loaded = component.Component.deserialize_file(self.engine, path)
        except wasmtime.WasmtimeError as error:
            raise DaemonError(
                ErrorKind.CACHE_UNUSABLE, f"A precompiled file can't be loaded: {error}"
            ) from error
        shape = loaded.type
        imports.check(shape.imports(self.engine), self.engine, shared=dict(modules))
        return self._assemble(
            loaded, linker, world=world, kind=kind, strings=strings, memories=memories
        )

    def _linker(self, modules: tuple[tuple[str, wasmtime.Module], ...]) -> component.Linker:
        """Return one linker for all that share the same modules: each would take 0.1 MB."""
        linker = self._linkers.get(modules)
        if linker is None:
            linker = self._bindings.linker(self.engine, modules)
            self._linkers[modules] = linker
        return linker

    def _module(self, path: str) -> wasmtime.Module:
        module = self._modules.get(path)
        if module is None:
            module = wasmtime.Module.deserialize_file(self.engine, path)
            self._modules[path] = module
        return module

    def _assemble(
        self,
        loaded: component.Component,
        linker: component.Linker,
        *,
        world: World,
        kind: SkillKind,
        strings: bool,
        memories: int,
    ) -> Loaded:
        interface = _exported(loaded, self.engine, kind)
        parent = loaded.get_export_index(interface) if interface else None
        run = loaded.get_export_index("run", parent)
        if run is None:
            raise DaemonError(ErrorKind.SKILL_UNSERVABLE, f"The Skill exports no `run` ({kind}).")
        describes = kind is SkillKind.FUNCTION and world.has_metadata
        metadata = loaded.get_export_index("metadata", parent) if describes else None
        version = interface.rpartition("@")[2]
        return Loaded(
            world=world,
            kind=kind,
            strings=strings,
            memories=max(memories, 1),
            engine=self._address,
            linker=capi.address(linker),
            component=capi.address(loaded),
            run=capi.address(run),
            metadata=capi.address(metadata) if metadata is not None else None,
            output_kind=self._output_kind(version),
            owners=(loaded, linker, run, metadata, self.engine, self._bindings),
        )

    def _output_kind(self, version: str) -> int:
        track = imports.track(f"pharia:skill/streaming-output@{version}")
        for (interface, resource), number in self._bindings.kinds.items():
            if resource == STREAM_OUTPUT and imports.track(interface) == track:
                return number
        return 0


def _exported(loaded: component.Component, engine: wasmtime.Engine, kind: SkillKind) -> str:
    """Return the name of the interface that holds `run`; empty for the first world."""
    prefix = _HANDLER if kind is SkillKind.FUNCTION else _STREAM
    names = (name for name in loaded.type.exports(engine) if name.startswith(prefix))
    return next(names, "")
