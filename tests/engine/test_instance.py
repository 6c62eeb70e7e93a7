"""An instance: made under caps, called once, closed in any case."""

import ctypes
from ctypes import addressof

import pytest

from daemon.engine import capi, codec
from daemon.engine.call import running
from daemon.engine.instance import Instance, read, release
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import World
from tests.engine.conftest import MEMORY, Load, a_call
from tests.wat import components

PAGE = 1 << 16


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


TWO_MEMORIES = """
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))
  (core instance $a (instantiate $m))
  (core instance $b (instantiate $m))
  (core module $run
    (import "a" "grow" (func $a (param i32) (result i32)))
    (import "b" "grow" (func $b (param i32) (result i32)))
    (func (export "run") (result i32)
      (i32.add (call $a (i32.const 15))  ;; has 1, may have 16
        (i32.add (call $b (i32.const 15))
          (call $a (i32.const 1))))))  ;; one page too many: -1
  (core instance $r (instantiate $run (with "a" (instance $a)) (with "b" (instance $b))))
  (func (export "run") (result s32) (canon lift (core func $r "run"))))
"""


def test_memories_share_the_cap(load: Load) -> None:
    """Two may grow to half of it each: 1 + 1 - 1 is what their attempts return."""
    skill, call = load(TWO_MEMORIES, world=World.V0_1, memories=2), a_call()
    with running(call):
        instance = skill.instantiate(memory=32 * PAGE, call=call)
        result = instance.call(skill.run)

    assert int.from_bytes(read(result)[8:12], "little", signed=True) == 1
    release(result)
    instance.close()


def test_more_memories_than_the_component_defines_are_refused(load: Load) -> None:
    """A module with a memory that is instantiated twice could take twice the cap."""
    skill, call = load(TWO_MEMORIES, world=World.V0_1, memories=1), a_call()

    with running(call), pytest.raises(DaemonError, match="linear memories") as caught:
        skill.instantiate(memory=32 * PAGE, call=call)

    assert caught.value.kind is ErrorKind.SKILL_UNSERVABLE


def test_what_cannot_be_instantiated_leaves_no_store_behind(load: Load) -> None:
    """Its error tells why."""
    skill, call = load(components.function()), a_call()

    with running(call), pytest.raises(capi.WasmError, match="memory"):
        Instance(
            engine=skill.engine,
            linker=skill.linker,
            component=skill.component,
            memory=1 << 16,
            memories=1,
        )
