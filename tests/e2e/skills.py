"""
Cheap Skills, and the namespace files that ask for them, for end-to-end tests.

The components are text, compile within milliseconds, and come from a directory registry unless a
test brings its own.
"""

from collections.abc import Iterable
from pathlib import Path

from tests.components import component
from tests.wat import components

_SAYING = """
(component
  (core module $m
    (memory (export "memory") 2)
    (data (i32.const 2048) "TEXT")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "run") (param i32 i32) (result i32)
      (i32.store (i32.const 1024) (i32.const 2048))
      (i32.store (i32.const 1028) (i32.const LENGTH))
      (i32.const 1024)))
  (core instance $i (instantiate $m))
  (func (export "run") (param "in" string) (result string)
    (canon lift (core func $i "run")
      (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
)
"""


def saying(text: str) -> bytes:
    """A Skill of the first world that answers every short input with *text*, an ASCII word."""
    return component(_SAYING.replace("TEXT", text).replace("LENGTH", str(len(text))))


def rogue() -> bytes:
    """A function that does as its input says; see `tests.wat.components.function`."""
    return component(components.function())


def streamer() -> bytes:
    """A stream that does as its input says; see `tests.wat.components.message_stream`."""
    return component(components.message_stream())


def put(directory: Path, **built: bytes) -> Path:
    """Put components into a directory registry, each at once; returns the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, binary in built.items():
        temporary = directory / f".{name}.new"
        temporary.write_bytes(binary)
        temporary.replace(directory / f"{name.replace('_', '-')}.wasm")
    return directory


def entry(name: str, **keys: object) -> str:
    """One Skill as a line of `namespace.toml`; texts are quoted, numbers are not."""
    pairs = {"name": name, **keys}
    inner = ", ".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in pairs.items()
    )
    return f"  {{ {inner} }},\n"


def wanting(
    *wanted: str,
    path: Path | None = None,
    registry: str | None = None,
    repository: str = "skills",
    more: str = "",
) -> str:
    """The text of a `namespace.toml` that asks for Skills, by name or by `entry`."""
    lines = "".join(one if one.lstrip().startswith("{") else entry(one) for one in wanted)
    text = f"skills = [\n{lines}]\n{more}"
    if path is not None:
        text += f'\n[registry]\npath = "{path}"\n'
    if registry is not None:
        text += f'\n[registry]\nregistry = "{registry}"\nbase-repository = "{repository}"\n'
    return text


def names(count: int, *, prefix: str = "skill") -> Iterable[str]:
    """`skill-1` and so on."""
    return (f"{prefix}-{number}" for number in range(1, count + 1))
