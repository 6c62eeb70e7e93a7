"""Byte lists that become strings."""

import pytest
from wasmtime import component as wasm

from daemon.component.binary import exports
from daemon.component.core_module import UnusualError
from daemon.component.strings import bytes_to_strings
from daemon.engine.config import engine
from tests.component.test_split import run
from tests.components import STREAM, component, echo


def test_run_takes_and_returns_strings() -> None:
    """Same bytes, moved in one piece."""
    with_epochs = engine()

    code = bytes_to_strings(memoryview(echo()))

    assert run(wasm.Linker(with_epochs), with_epochs, code, "grüße").decode() == "grüße"


def test_the_cap_on_results_is_gone() -> None:
    """A list of bytes may not exceed 2.8 MB; a string may."""
    with_epochs = engine()
    text = "x" * (4 << 20)

    code = bytes_to_strings(echo())

    assert run(wasm.Linker(with_epochs), with_epochs, code, text) == text.encode()


def test_message_streams_are_rewritten_too() -> None:
    """Their input is a list of bytes as well."""
    code = bytes_to_strings(echo(interface=STREAM))

    assert [named.name for named in exports(code)] == [STREAM]
    wasm.Component(engine(), code)


def test_other_interfaces_are_left_alone() -> None:
    """Only ours are known to carry UTF-8."""
    with pytest.raises(UnusualError, match="no list of bytes"):
        bytes_to_strings(echo(interface="other:skill/handler@1.0.0"))


def test_imports_that_share_the_byte_lists_forbid_the_rewrite() -> None:
    """The host would no longer know them."""
    text = """(component
      (type $bytes (list u8))
      (type $f (func (param "a" $bytes)))
      (import "host" (func (type $f)))
      (core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
        (func (export "pharia:skill/skill-handler@0.3.11#run") (param i32 i32)))
      (core instance $i (instantiate $m))
      (alias core export $i "pharia:skill/skill-handler@0.3.11#run" (core func $core))
      (alias core export $i "realloc" (core func $realloc))
      (alias core export $i "memory" (core memory $memory))
      (func $run (type $f)
        (canon lift (core func $core) (memory $memory) (realloc $realloc)))
      (export "run" (func $run)))"""

    with pytest.raises(UnusualError, match="share"):
        bytes_to_strings(component(text))


def test_other_encodings_forbid_the_rewrite() -> None:
    """In UTF-16 a string is no list of bytes."""
    text = """(component
      (core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
        (func (export "pharia:skill/skill-handler@0.3.11#run") (param i32 i32)))
      (core instance $i (instantiate $m))
      (alias core export $i "pharia:skill/skill-handler@0.3.11#run" (core func $core))
      (func $run (param "a" (list u8))
        (canon lift (core func $core) string-encoding=utf16 (memory (core memory $i "memory"))
          (realloc (core func $i "realloc"))))
      (export "run" (func $run)))"""

    with pytest.raises(UnusualError, match="UTF-8"):
        bytes_to_strings(component(text))
