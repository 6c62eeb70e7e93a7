"""One call: who waits, and how much may lie between guest and reader."""

import asyncio

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, ToolBegin
from daemon.workers.calls import CREDIT, FunctionCall, StreamCall
from tests.workers.scripts import call

OOPS = DaemonError(ErrorKind.SKILL_FAILED, "oops")


def reading() -> StreamCall:
    """A stream that has begun."""
    return StreamCall(call(), number=1, started=0.0)


async def test_function_has_one_result() -> None:
    """The first counts."""
    made = FunctionCall(call(), number=1, started=0.0)
    made.conclude(b"1", error=None)
    made.conclude(None, error=OOPS)
    assert await made.result == b"1"


async def test_caller_who_left_needs_no_result() -> None:
    """Nothing is raised into nowhere."""
    made = FunctionCall(call(), number=1, started=0.0)
    made.result.cancel()
    made.conclude(None, error=OOPS)
    assert made.result.cancelled()


async def test_guest_may_send_as_many_events_as_it_has_credit() -> None:
    """Taken ones make room; a tool's event is not the guest's to send."""
    made = reading()
    assert all(made.push(MessageAppend("a")) for _ in range(CREDIT))
    assert not made.push(MessageAppend("one too many"))
    made.take()
    assert made.push(MessageAppend("a"))
    made.take()
    assert not made.push(ToolBegin("add"))


async def test_credit_is_given_back_in_portions() -> None:
    """Not a frame for each event; tools' events give none."""
    made = reading()
    portions = []
    for _ in range(CREDIT):
        made.emit(ToolBegin("add"))
        made.push(MessageAppend("a"))
        made.take()
        made.take()
        portions.append(made.credit())
    assert [portion for portion in portions if portion] == [CREDIT // 2] * 2


async def test_reader_hears_of_events_and_of_the_end() -> None:
    """Whichever comes."""
    made = reading()
    waiting = asyncio.ensure_future(made.changed())
    await asyncio.sleep(0)
    made.emit(ToolBegin("add"))
    await waiting

    waiting = asyncio.ensure_future(made.changed())
    await asyncio.sleep(0)
    made.conclude(None, error=OOPS)
    made.conclude(None, error=None)
    await waiting
    assert made.ended
    assert made.error is OOPS


@pytest.mark.parametrize("relief", ["taken", "ended"])
async def test_tools_wait_for_a_slow_reader(relief: str) -> None:
    """Until he takes something, or the call ends."""
    made = reading()
    for _ in range(CREDIT):
        made.emit(ToolBegin("add"))
    waiting = asyncio.ensure_future(made.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    if relief == "taken":
        made.take()
    else:
        made.conclude(None, error=None)
    await waiting
