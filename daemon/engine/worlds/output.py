"""The resource by which a streaming Skill speaks: `streaming-output`, since world 0.3."""

from typing import Any

from daemon import skill
from daemon.engine.call import Call
from daemon.engine.wit import BORROW, BYTES, STRING, Option, Signature, Type, Variant, record
from daemon.engine.worlds.hostcall import HostFunction, Interface

STREAM_OUTPUT = "stream-output"


def _item(case: str, payload: Any) -> skill.StreamEvent:
    match case:
        case "message-begin":
            return skill.MessageBegin()  # its role means nothing yet
        case "reasoning":
            return skill.Reasoning(payload)
        case "message-append":
            return skill.MessageAppend(payload)
        case _:
            return skill.MessageEnd(payload)


def _write(call: Call, _output: int, item: skill.StreamEvent) -> None:
    call.emit(item)


def output(name: str, *, reasoning: bool) -> Interface:
    """The interface of that name; reasoning came with world 0.4, as the second case."""
    cases: list[tuple[str, Type | None]] = [
        ("message-begin", record(role=Option(STRING))),
        ("message-append", STRING),
        ("message-end", Option(BYTES)),
    ]
    if reasoning:
        cases.insert(1, ("reasoning", STRING))
    item = Variant(tuple(cases), make=_item)
    write = HostFunction(f"[method]{STREAM_OUTPUT}.write", Signature((BORROW, item)), _write)
    return Interface(name, (write,), (STREAM_OUTPUT,))
