"""How tools look over HTTP. Each call names the namespace whose tools it means."""

from typing import Annotated

import msgspec
from msgspec import Raw

from daemon.api.csi.body import BATCH, Shape, check
from daemon.csi import interface as csi
from daemon.names import Namespace


class ListTools(Shape, frozen=True):
    """Which tools are there?"""

    namespace: str

    def __post_init__(self) -> None:
        Namespace(self.namespace)

    def request(self) -> csi.ListTools:
        """The same to the drivers."""
        return csi.ListTools()


class Argument(Shape, frozen=True):
    """An argument by name; its value is any JSON."""

    name: str
    value: Raw

    def __post_init__(self) -> None:
        check(self.value)


class Invocation(Shape, frozen=True):
    """One call of one tool."""

    name: str
    arguments: list[Argument]

    def invocation(self) -> csi.ToolInvocation:
        """The same to the drivers."""
        arguments = [csi.ToolArgument(one.name, bytes(one.value)) for one in self.arguments]
        return csi.ToolInvocation(self.name, arguments)


class InvokeTools(ListTools, frozen=True):
    """Call tools, all at once."""

    requests: Annotated[list[Invocation], BATCH]

    def request(self) -> csi.InvokeTools:  # type: ignore[override]
        """The same to the drivers."""
        return csi.InvokeTools([one.invocation() for one in self.requests])


def result(one: csi.ToolResult) -> object:
    """A list of texts, or the text of an error, which is the caller's to handle."""
    match one:
        case csi.ToolOutput(texts):
            return [{"type": "text", "text": text} for text in texts]
        case csi.ToolError(message):
            return message


def tool(one: csi.Tool) -> object:
    """A tool on offer."""
    schema = msgspec.Raw(one.input_schema)
    return {"name": one.name, "description": one.description, "input_schema": schema}
