"""An instance: made under caps, called once, closed in any case."""

import ctypes
from ctypes import addressof

import pytest

from daemon.engine import capi, codec
from daemon.engine.call import running
from daemon.engine.instance import Instance, read, release
from tests.engine.conftest import MEMORY, Load, a_call
from tests.wat import components


def test_an_export_is_called_with_values_and_answers_with_one(load: Load) -> None:
    """The arguments are freed by the call, the result by `release`."""
    skill, call = load(components.function(strings=True), strings=True), a_call()
    with running(call):
        instance = skill.instantiate(memory=MEMORY, call=call)
        arguments = ctypes.create_string_buffer(codec.VALUE)
        codec.lower_text(addressof(arguments), '"echo"')

        result = instance.call(skill.run, arguments, 1)

    is_ok, payload = codec.lift_side(read(result), 0)
    assert (is_ok, codec.lift_utf8(payload, 0)) == (True, b'"echo"')
    release(result)
    instance.close()


def test_what_cannot_be_instantiated_leaves_no_store_behind(load: Load) -> None:
    """Its error tells why."""
    skill, call = load(components.function()), a_call()

    with running(call), pytest.raises(capi.WasmError, match="memory"):
        Instance(
            engine=skill.engine, linker=skill.linker, component=skill.component, memory=1 << 16
        )
