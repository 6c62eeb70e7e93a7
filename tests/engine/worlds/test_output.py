"""What a streaming Skill says, in the order of each world's cases."""

from daemon.engine.wit import Variant
from daemon.engine.worlds.output import output
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, Reasoning
from tests.engine.conftest import ScriptedHost, a_call
from tests.engine.worlds.calls import plain


def test_items_become_events() -> None:
    """The role of a message means nothing yet."""
    write = output("x", reasoning=True).functions[0]
    item = write.signature.parameters[1]
    assert isinstance(item, Variant)
    host = ScriptedHost()

    for case, payload in [
        ("message-begin", ("poet",)),
        ("reasoning", "r"),
        ("message-append", "a"),
        ("message-end", b"1"),
    ]:
        write.serve(a_call(host), 1, item.make(case, payload))

    assert host.told == [MessageBegin(), Reasoning("r"), MessageAppend("a"), MessageEnd(b"1")]


def test_reasoning_came_as_the_second_case() -> None:
    """The order of cases is part of the ABI."""
    old = plain(output("x", reasoning=False).functions[0].signature.parameters[1])
    new = plain(output("x", reasoning=True).functions[0].signature.parameters[1])

    assert [name for name, _ in old.cases] == ["message-begin", "message-append", "message-end"]
    assert [name for name, _ in new.cases][1] == "reasoning"
