"""What the compile child makes of components."""

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from wasmtime import component as wasm

from daemon.build_cache.jobs import Compile, Read
from daemon.component.binary import exports
from daemon.component.split import SharedModule
from daemon.engine.compile import Job, Plan, plans
from daemon.engine.config import engine
from daemon.errors import DaemonError, ErrorKind
from tests.components import echo

Skills = Callable[[str], Path]


def test_the_best_way_comes_first_and_the_untouched_component_last() -> None:
    """Split and with strings, down to what was pulled."""
    content = echo(weight=1000)

    ways = list(plans(content, want_split=True, reasons=[]))

    assert [(bool(way.shared), way.strings) for way in ways] == [
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    ]
    assert ways[-1].component == content


def test_why_a_component_stays_whole_is_told(tmp_path: Path) -> None:
    """An operator may wonder why nothing is shared."""
    file = tmp_path / "small.wasm"
    file.write_bytes(echo())

    outline = Job(engine()).read(Read(str(file), split=True))

    assert not outline.shared
    assert outline.whole_because.count("no core module") == 1


class Refusing(Job):
    """A job whose first plan is one that the compiler refuses."""

    def read(self, request: Read):
        """Put a broken plan before the good ones."""
        outline = super().read(request)
        rest = (self._plan, *self._plans)
        self._plan, self._plans = Plan(b"\0asm broken", (), strings=True), iter(rest)
        return outline


def test_a_rewrite_that_the_compiler_refuses_costs_nothing_but_speed(tmp_path: Path) -> None:
    """The next plan is tried."""
    file = tmp_path / "echo.wasm"
    file.write_bytes(echo())
    job = Refusing(engine())
    job.read(Read(str(file), split=True))

    made = job.compile(Compile(str(tmp_path / "out.cwasm")))

    assert made.component is not None
    assert made.component.size == (tmp_path / "out.cwasm").stat().st_size
    wasm.Component.deserialize_file(engine(), str(tmp_path / "out.cwasm"))


def test_a_destination_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """The disk is full, or the cache was wiped."""
    file = tmp_path / "echo.wasm"
    file.write_bytes(echo())
    job = Job(engine())
    job.read(Read(str(file), split=True))

    with pytest.raises(DaemonError, match="build cache") as caught:
        job.compile(Compile(str(tmp_path / "wiped" / "out.cwasm")))

    assert caught.value.kind is ErrorKind.CACHE_UNUSABLE


# Real Skills: whole, split and with strings are one and the same ---------------------------------

INPUTS = [
    *(f'{{"topic": "{text}"}}' for text in ["x", "Grüße 🦀", "", "\\u0000", '\\"', "\\n" * 50]),
    *(f'{{"topic": "{"abc" * size}"}}' for size in [10, 1000, 30_000]),
    *(f'{{"topic": "Nr. {number}"}}' for number in range(100)),
    *["", "null", "[]", "{", '{"topic": 7}', '{"other": "x"}', "not json", '{"topic": null}'],
]


class Bench:
    """One engine, and each shared module compiled once."""

    def __init__(self) -> None:
        self.engine = engine()
        self._modules: dict[str, wasmtime.Module] = {}

    def module(self, shared: SharedModule) -> wasmtime.Module:
        """Return the compiled module."""
        if shared.sha256 not in self._modules:
            self._modules[shared.sha256] = wasmtime.Module(self.engine, bytes(shared.module))
        return self._modules[shared.sha256]


class Loaded:
    """One plan of a Skill, ready to be called. Owned by its test."""

    def __init__(self, plan: Plan, bench: Bench) -> None:
        self.engine = bench.engine
        self.strings = plan.strings
        self.component = wasm.Component(self.engine, bytes(plan.component))
        self.interface = next(n.name for n in exports(plan.component) if "pharia:skill" in n.name)
        self.linker = wasm.Linker(self.engine)
        self.linker.add_wasip2()
        with self.linker.root() as root:
            for one in plan.shared:
                root.add_module(one.import_name, bench.module(one))
            for name, extern in self.component.type.imports(self.engine).items():
                if name.startswith("pharia:skill"):
                    self._define(root, name, extern.ty)

    def _define(self, root: wasm.LinkerInstance, name: str, kind: object) -> None:
        """Define all of an interface, for nobody to call."""
        assert isinstance(kind, wasm.ComponentInstanceType)
        with root.add_instance(name) as interface:
            for item, extern in kind.exports(self.engine).items():
                if isinstance(extern.ty, wasm.FuncType):
                    interface.add_func(item, _never)
                elif isinstance(extern.ty, wasm.ResourceType):
                    interface.add_resource(item, wasm.ResourceType.host(1), _never)

    def run(self, text: str, *, memory: int = 1 << 30, epochs: int = 1 << 30) -> object:
        """Call `run` in a fresh instance; a trap is its first line."""
        store = wasmtime.Store(self.engine)
        store.set_wasi(wasmtime.WasiConfig())
        store.set_limits(memory_size=memory)
        store.set_epoch_deadline(epochs)
        try:
            instance = self.linker.instantiate(store, self.component)
            handler = instance.get_export_index(store, self.interface)
            index = instance.get_export_index(store, "run", handler)
            assert index is not None
            function = instance.get_func(store, index)
            assert function is not None
            return _plain(function(store, text if self.strings else text.encode()))
        except wasmtime.WasmtimeError as error:
            return re.sub(r"0x[0-9a-f]+", "", str(error).splitlines()[-1])


def _never(*arguments: object) -> None:
    raise AssertionError("the host was called")


def _plain(value: object) -> object:
    """Return results in a form that can be compared."""
    if isinstance(value, wasm.Variant):
        return value.tag, _plain(value.payload)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode()
    return value


@pytest.fixture(scope="module")
def bench() -> Bench:
    """What all forms of all Skills share."""
    return Bench()


@pytest.mark.real
@pytest.mark.timeout(300)
def test_all_forms_of_a_real_skill_answer_alike(sdk_skill: Skills, bench: Bench) -> None:
    """Split or not, with strings or not, over good and bad inputs."""
    ways = list(plans(sdk_skill("hello").read_bytes(), want_split=True, reasons=[]))
    assert len(ways) == 4
    forms = [Loaded(way, bench) for way in ways]

    for text in INPUTS:
        answers = {repr(form.run(text)) for form in forms}
        assert len(answers) == 1, (text, answers)
    assert "Hello x" in repr(forms[0].run('{"topic": "x"}'))


@pytest.mark.real
@pytest.mark.timeout(300)
def test_different_skills_share_all_but_their_own(sdk_skill: Skills) -> None:
    """What the SDK puts into every Skill is the same, byte for byte."""
    shared = [
        next(plans(sdk_skill(name).read_bytes(), want_split=True, reasons=[])).shared
        for name in ("hello", "haiku", "stream")
    ]

    assert len({tuple(one.sha256 for one in modules) for modules in shared}) == 1
    assert sum(len(one.module) for one in shared[0]) > 20 << 20


@pytest.mark.real
@pytest.mark.timeout(300)
def test_caps_hold_in_shared_code(sdk_skill: Skills, bench: Bench) -> None:
    """The deadline strikes there, and the memory cap is the instance's, not the module's."""
    best = next(plans(sdk_skill("poison").read_bytes(), want_split=True, reasons=[]))
    poison = Loaded(best, bench)
    assert best.shared
    ticker = threading.Timer(0.3, bench.engine.increment_epoch)
    ticker.start()

    assert "interrupt" in str(poison.run('{"do": "loop"}', epochs=1))
    ticker.join()
    assert "MemoryError" in str(poison.run('{"do": "memory", "size": 999}', memory=200 << 20))
    assert "done" in str(poison.run('{"do": "echo", "data": "done"}'))
