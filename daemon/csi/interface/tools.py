"""
Tools: what is on offer, what is called, what comes back. Pure.

Leaves out who provides them (`csi/tools`, `csi/mcp`).
"""

from daemon.csi.interface.value import Json, Value


class ToolArgument(Value, frozen=True):
    """An argument by name, its value as JSON."""

    name: str
    value: Json


class ToolInvocation(Value, frozen=True):
    """Call the tool `name`."""

    name: str
    arguments: list[ToolArgument] = []


class ToolOutput(Value, frozen=True, tag="output"):
    """What a tool answered: texts."""

    texts: list[str]


class ToolError(Value, frozen=True, tag="error"):
    """Why a tool failed. It is the Skill's to handle."""

    message: str


ToolResult = ToolOutput | ToolError


class Tool(Value, frozen=True):
    """A tool on offer."""

    name: str
    description: str
    input_schema: Json
