"""Small components, written as text or bytes, that look like Skills to whoever only looks."""

from wasmtime import wat2wasm

from daemon.component.binary import COMPONENT, encode_name, encode_section

HANDLER = "pharia:skill/skill-handler@0.3.11"
STREAM = "pharia:skill/message-stream@0.3.11"


def exporting(*interfaces: str) -> bytes:
    """Return a component that exports an empty instance under each name."""
    body = b"".join(b"\x00" + encode_name(name) + b"\x05\x00\x00" for name in interfaces)
    return b"".join(
        [
            COMPONENT,
            *encode_section(5, b"\x01\x01\x00"),
            *encode_section(11, bytes([len(interfaces)]), body),
        ]
    )


def component(text: str) -> bytes:
    """Assemble the text of a component."""
    return bytes(wat2wasm(text))


def echo(
    *, interface: str = HANDLER, constant: int = 0, padding: int = 200, weight: int = 0
) -> bytes:
    """
    Return a Skill that returns its input, built the way that the SDK's tools do.

    Its big module (over 1000 bytes of code with the default padding) is the same whatever
    *constant* is, which only its small module holds. Each function of padding takes 5 bytes
    more per *weight*.
    """
    body = "(drop (i32.const 123456))" * weight
    filler = " ".join(
        f'(func (export "unused{i}") (result i32) {body} i32.const {i})' for i in range(padding)
    )
    text = _ECHO.replace("INTERFACE", interface).replace("CONSTANT", str(constant))
    return component(text.replace("FILLER", filler))


_ECHO = """
(component
  (core module $big
    (memory (export "memory") 1)
    (global $next (export "next") (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.const 1)
          (i32.div_u (local.get 3) (i32.const 65536)))))))
      (local.get $at))
    FILLER)
  (core module $small
    (import "big" "memory" (memory 1))
    (import "big" "next" (global (mut i32)))
    (global (export "constant") i32 (i32.const CONSTANT))
    (func (export "INTERFACE#run") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $b (instantiate $big))
  (core instance $s (instantiate $small (with "big" (instance $b))))
  (type $bytes (list u8))
  (type $run (func (param "input" $bytes) (result $bytes)))
  (alias core export $s "INTERFACE#run" (core func $core))
  (alias core export $b "realloc" (core func $realloc))
  (alias core export $b "memory" (core memory $memory))
  (func $lifted (type $run)
    (canon lift (core func $core) (memory $memory) (realloc $realloc)))
  (component $wrapper
    (type $bytes (list u8))
    (type $run (func (param "input" $bytes) (result $bytes)))
    (import "import-func-run" (func $f (type $run)))
    (export "run" (func $f)))
  (instance $handler (instantiate $wrapper (with "import-func-run" (func $lifted))))
  (export "INTERFACE" (instance $handler))
)
"""
