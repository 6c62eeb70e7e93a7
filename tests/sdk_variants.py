"""
Many distinct Python Skills for the price of one build.

A component built from Python holds a snapshot of the interpreter's memory. The `hello` Skill keeps
one text there, `variant-00000`; with another number of equal length in its place the component is
still valid, has another digest, and says who it is in its greeting.
"""

from pathlib import Path

_MARKER = b"variant-00000"


def variant(component: Path, number: int, *, into: Path) -> Path:
    """
    Write `hello-{number}.wasm` below *into*; it greets with `Hello {topic} from variant-{number}`.

    *component* is the built `hello` (`sdk_skill("hello")`), *number* is 1 to 99999.
    """
    assert 0 < number < 100_000
    binary = component.read_bytes()
    assert _MARKER in binary, f"{component} is not made of tests/skills_sdk/hello.py"
    path = into / f"hello-{number}.wasm"
    path.write_bytes(binary.replace(_MARKER, b"variant-%05d" % number))
    return path
