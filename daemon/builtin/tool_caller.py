"""`test-beta/tool_caller`: calls a native tool, to try a client's handling of tool events on."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from daemon.builtin.skill import is_stream, one_message, reported
from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.errors import DaemonError
from daemon.names import SkillPath
from daemon.skill import SkillMetadata, StreamEvent

_CALL = csi.ToolInvocation("add", [csi.ToolArgument("a", b"1"), csi.ToolArgument("b", b"2")])


class ToolCaller:
    """Has `add` add 1 and 2, and tells of it."""

    version = None

    def __init__(self, path: SkillPath, drivers: csi.Drivers) -> None:
        self._path = path
        self._drivers = drivers

    def metadata(self) -> SkillMetadata:
        """See `Builtin`."""
        return SkillMetadata()

    def not_a_function(self) -> DaemonError:
        """See `Builtin`."""
        return is_stream(self._path)

    async def stream(self, body: bytes, caller: csi.Caller) -> AsyncGenerator[StreamEvent, None]:
        """See `Builtin`."""
        events: list[StreamEvent] = []
        caller = replace(caller, namespace=self._path.namespace)
        context = DriverContext(self._drivers, caller, events.append)
        reply = await context.answer(csi.InvokeTools([_CALL]))
        for event in events:
            yield event
        for event in _told(reply):
            yield event


def _told(reply: csi.Reply) -> tuple[StreamEvent, ...]:
    match reply:
        case csi.ToolResults([csi.ToolOutput([text])]):
            told = f"The result of calling the add tool for a=1 and b=2 is: {text}"
            return one_message(told)
        case csi.ToolResults([csi.ToolError(message)]):
            raise reported(message)
    raise reported("the add tool did not answer with one text")
