"""`test-beta/tool_caller`."""

from dataclasses import replace

import pytest

from daemon.builtin.tool_caller import ToolCaller
from daemon.csi import interface as csi
from daemon.csi.tools import Toolbox
from daemon.errors import DaemonError
from daemon.names import SkillPath
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, StreamEvent, ToolBegin, ToolEnd
from tests.csi.fakes import drivers

PATH = SkillPath.parse("test-beta", "tool_caller")


async def said(of: csi.Drivers) -> list[StreamEvent]:
    """All that it says."""
    return [event async for event in ToolCaller(PATH, of).stream(b"null", csi.Caller())]


async def test_tool_caller_tells_of_its_tool_and_of_the_result() -> None:
    """Whatever namespace the caller is in."""
    told = "The result of calling the add tool for a=1 and b=2 is: 3"
    assert await said(drivers()) == [
        ToolBegin("add"),
        ToolEnd("add"),
        MessageBegin(),
        MessageAppend(told),
        MessageEnd(),
    ]


async def test_missing_tool_is_reported() -> None:
    """As its own error, since it needs that tool."""
    with pytest.raises(DaemonError, match="add was not found"):
        await said(replace(drivers(), tools=Toolbox()))
