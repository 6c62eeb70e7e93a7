"""What the compile child makes of components."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wasmtime
from wasmtime import component as wasm

from daemon.build_cache.jobs import Compile, Read
from daemon.component.binary import exports
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
    assert "no core module" in outline.whole_because


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


class Loaded:
    """One plan of a Skill, ready to be called. Owned by its test."""

    def __init__(self, plan: Plan) -> None:
        self.engine = engine()
        self.strings = plan.strings
        self.component = wasm.Component(self.engine, bytes(plan.component))
        self.interface = next(n.name for n in exports(plan.component) if "pharia:skill" in n.name)
        self.linker = wasm.Linker(self.engine)
        self.linker.add_wasip2()
        with self.linker.root() as root:
            for one in plan.shared:
                root.add_module(one.import_name, wasmtime.Module(self.engine, bytes(one.module)))
            for name, kind in self.component.type().imports(self.engine).items():
                if name.startswith("pharia:skill"):
                    self._define(root, name, kind)

    def _define(self, root: wasm.LinkerInstance, name: str, kind: object) -> None:
        """Define all of an interface, for nobody to call."""
        assert isinstance(kind, wasm.ComponentInstanceType)
        with root.add_instance(name) as interface:
            for item, item_kind in kind.exports(self.engine).items():
                if isinstance(item_kind, wasm.FuncType):
                    interface.add_func(item, _never)
                elif isinstance(item_kind, wasm.ResourceType):
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
def hello(sdk_skill: Skills) -> Iterator[dict[str, Loaded]]:
    """The real Skill, in all its forms."""
    content = sdk_skill("hello").read_bytes()
    ways = list(plans(content, want_split=True, reasons=[]))
    assert len(ways) == 4
    names = ("split strings", "split", "whole strings", "whole")
    yield {name: Loaded(way) for name, way in zip(names, ways, strict=True)}


@pytest.mark.real
@pytest.mark.timeout(300)
def test_all_forms_of_a_real_skill_answer_alike(hello: dict[str, Loaded]) -> None:
    """Over good and bad inputs."""
    for text in INPUTS:
        answers = {name: loaded.run(text) for name, loaded in hello.items()}
        assert len(set(map(repr, answers.values()))) == 1, (text, answers)
    assert "Hello x" in repr(hello["split strings"].run('{"topic": "x"}'))


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("form", ["split strings", "split", "whole strings", "whole"])
def test_caps_hold_in_all_forms(hello: dict[str, Loaded], form: str) -> None:
    """The deadline strikes inside of shared code too, and the memory cap holds."""
    loaded = hello[form]

    loaded.engine.increment_epoch()
    assert "interrupt" in str(loaded.run('{"topic": "x"}', epochs=0))
    assert "memory" in str(loaded.run('{"topic": "x"}', memory=1 << 20))
