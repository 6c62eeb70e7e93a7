import wasmtime

from daemon.engine.config import engine


def test_precompiled_files_of_one_engine_load_in_another() -> None:
    """The compile child and the workers have an engine each."""
    compiled = wasmtime.Module(engine(), "(module)").serialize()

    assert isinstance(wasmtime.Module.deserialize(engine(), compiled), wasmtime.Module)


def test_a_guest_is_interrupted_when_its_epoch_ends() -> None:
    """Without interruption an endless loop would never end."""
    ours = engine()
    store = wasmtime.Store(ours)
    store.set_epoch_deadline(1)
    loop = wasmtime.Module(ours, '(module (func (export "f") (loop (br 0))))')
    function = wasmtime.Instance(store, loop, []).exports(store)["f"]
    assert isinstance(function, wasmtime.Func)
    ours.increment_epoch()

    try:
        function(store)
    except wasmtime.Trap as trap:
        assert trap.trap_code is wasmtime.TrapCode.INTERRUPT
    else:
        raise AssertionError("it ended by itself")
