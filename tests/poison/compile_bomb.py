"""
A small component that takes the compiler for ever: for tests of the caps on compiling.

One function of nested blocks, all with many results, and jump tables that lead to every one of
them. Each jump table carries `blocks * results` values, so a few hundred KB of WebAssembly are
hundreds of millions of values to the compiler.
"""

from daemon.component.binary import COMPONENT, CORE_MODULE, encode_name, encode_section, leb

_I32 = b"\x7f"
_NOTHING = b"\x40"
_BLOCK, _END, _DROP = b"\x02", b"\x0b", b"\x1a"
_BR_IF, _BR_TABLE = b"\x0d", b"\x0e"
_PARAMETER = b"\x20\x00"  # local.get 0
_INTERFACE = "pharia:skill/skill-handler@0.3.11"


def compile_bomb(*, blocks: int = 400, results: int = 200, tables: int = 500) -> bytes:
    """Return a valid component of a supported world; `tables` scales the time linearly."""
    return component(_module(blocks=blocks, results=results, tables=tables))


def component(module: bytes) -> bytes:
    """Return a component that holds *module* and exports an empty handler interface."""
    return b"".join(
        [
            COMPONENT,
            *encode_section(1, module),
            *encode_section(5, b"\x01\x01\x00"),
            *encode_section(11, b"\x01\x00", encode_name(_INTERFACE), b"\x05\x00\x00"),
        ]
    )


def _module(*, blocks: int, results: int, tables: int) -> bytes:
    values = leb(results) + _I32 * results
    types = leb(2) + b"\x60\x01" + _I32 + b"\x00" + b"\x60\x00" + values
    push = _PARAMETER * results
    targets = b"".join(leb(depth) for depth in range(1, blocks + 1))
    jump = push + _PARAMETER + _BR_TABLE + leb(blocks - 1) + targets
    maybe = _BLOCK + _NOTHING + _PARAMETER + _BR_IF + leb(0) + jump + _END
    nested = (_BLOCK + leb(1)) * blocks + maybe * tables + push + _END * blocks
    code = leb(0) + nested + _DROP * results + _END
    return b"".join(
        [
            CORE_MODULE,
            *encode_section(1, types),
            *encode_section(3, leb(1) + leb(0)),
            *encode_section(10, leb(1) + leb(len(code)) + code),
        ]
    )
