"""Taking shared modules out of components."""

import hashlib

import pytest
import wasmtime
from wasmtime import component as wasm

from daemon.component.core_module import UnusualError
from daemon.component.split import Split, split
from daemon.engine.config import engine
from tests.components import HANDLER, component, echo

THRESHOLD = 1000


def call(parts: Split, data: bytes) -> bytes:
    """Link the shared modules, and call `run`."""
    with_epochs = engine()
    linker = wasm.Linker(with_epochs)
    with linker.root() as root:
        for one in parts.shared:
            root.add_module(one.import_name, wasmtime.Module(with_epochs, bytes(one.module)))
    return run(linker, with_epochs, parts.component, data)


def run(linker: wasm.Linker, engine: wasmtime.Engine, code: bytes, data: bytes | str) -> bytes:
    """Instantiate and call `run`."""
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1 << 30)
    instance = linker.instantiate(store, wasm.Component(engine, code))
    handler = instance.get_export_index(store, HANDLER)
    index = instance.get_export_index(store, "run", handler)
    assert index is not None
    function = instance.get_func(store, index)
    assert function is not None
    result = function(store, data)
    return bytes(result) if not isinstance(result, str) else result.encode()


def test_a_split_component_does_what_it_did() -> None:
    """The large module is linked back in by name."""
    parts = split(echo(), threshold=THRESHOLD)

    assert len(parts.shared) == 1
    assert call(parts, b"hello") == b"hello"


def test_different_skills_share_their_large_module() -> None:
    """The import is named after the hash of the module."""
    one = split(echo(constant=1), threshold=THRESHOLD)
    two = split(echo(constant=2), threshold=THRESHOLD)

    assert one.shared[0].import_name == two.shared[0].import_name
    assert one.component != two.component
    assert one.shared[0].sha256 == hashlib.sha256(one.shared[0].module).hexdigest()
    assert one.shared[0].sha256 in one.shared[0].import_name


def test_only_used_exports_are_declared() -> None:
    """What nobody uses costs time at each instantiation."""
    parts = split(echo(), threshold=THRESHOLD)

    assert b"memory" in parts.component  # an alias, and an import of the other module
    assert b"next" in parts.component  # an import of the other module only
    assert b"unused7" not in parts.component


def test_small_modules_stay() -> None:
    """Linking them would cost more than compiling."""
    with pytest.raises(UnusualError, match="no core module"):
        split(echo(), threshold=1 << 20)


def test_two_copies_of_a_module_get_two_names() -> None:
    """A component's imports must differ in name."""
    module = '(core module (func (export "f") (result i32) i32.const 7))'
    parts = split(component(f"(component {module} {module})"), threshold=1)

    assert parts.shared[0].sha256 == parts.shared[1].sha256
    assert parts.shared[0].import_name != parts.shared[1].import_name
    wasm.Component(engine(), parts.component)


def test_a_module_that_others_may_see_keeps_all_its_exports() -> None:
    """A nested component that reaches for an outer module could use anything."""
    text = """(component
      (core module $m (func (export "a")) (func (export "b")))
      (component
        (alias outer 1 0 (core module $outer))
        (core instance $i (instantiate $outer))
        (alias core export $i "b" (core func))))"""

    parts = split(component(text), threshold=1)

    assert b"\x01a" in parts.component
    wasm.Component(engine(), parts.component)


def test_an_exported_module_keeps_all_its_exports() -> None:
    """Who imports it could use anything."""
    text = """(component
      (core module $m (func (export "aa")) (func (export "bb")))
      (export "m" (core module $m)))"""

    assert b"aa" in split(component(text), threshold=1).component


def test_an_export_of_a_module_takes_an_index_too() -> None:
    """The modules behind it are still told apart."""
    text = """(component
      (core module $e)
      (export "e" (core module $e))
      (core module $n (func (export "aa")) (func (export "bb")))
      (core instance $ni (instantiate $n))
      (alias core export $ni "aa" (core func)))"""

    parts = split(component(text), threshold=1)

    assert b"aa" in parts.component
    assert b"bb" not in parts.component
    wasm.Component(engine(), parts.component)


def test_core_types_keep_a_component_whole() -> None:
    """Their indices would shift."""
    text = '(component (core type (module)) (core module (func (export "f"))))'

    with pytest.raises(UnusualError, match="core types"):
        split(component(text), threshold=1)
