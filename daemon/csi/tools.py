"""
Which tools a namespace has, and how they are called.

`Toolbox` asks its sources in order: the native tools here come first, other sources (MCP servers)
stand beside them. Leaves out which namespace enables what: that is asked for when needed, so an
edit counts from the next call on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from daemon.csi import interface as csi
from daemon.names import Namespace

TEST_NAMESPACE = Namespace("test-beta")
"""The built-in namespace; it has every native tool."""

_I64_MIN, _I64_MAX = -(2**63), 2**63 - 1


class ToolSource(Protocol):
    """One origin of tools."""

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        """All tools for the caller's namespace."""
        ...

    async def invoke(
        self, request: csi.ToolInvocation, caller: csi.Caller
    ) -> csi.ToolResult | None:
        """Call a tool; None if there is none of that name here. Never raises for its failure."""
        ...


class Toolbox:
    """All tools of all sources. Of two tools with one name, the earlier source's counts."""

    def __init__(self, *sources: ToolSource) -> None:
        self._sources = sources

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        """See `csi.Tools`."""
        found: dict[str, csi.Tool] = {}
        for source in self._sources:
            for tool in await source.list(caller):
                found.setdefault(tool.name, tool)
        return [found[name] for name in sorted(found)]

    async def invoke(self, request: csi.ToolInvocation, caller: csi.Caller) -> csi.ToolResult:
        """See `csi.Tools`."""
        for source in self._sources:
            result = await source.invoke(request, caller)
            if result is not None:
                return result
        return csi.ToolError(f"Tool {request.name} was not found on any server.")


# Native tools -------------------------------------------------------------------------------------


class _RefusedError(Exception):
    """Why a native tool gives no answer."""


Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NativeTool:
    """A tool that needs no server. `call` takes JSON values and returns text."""

    name: str
    description: str
    parameters: tuple[str, ...]
    call: Callable[[Arguments], str]

    @property
    def listed(self) -> csi.Tool:
        """How it is offered; keys sorted, as in all listings."""
        schema: dict[str, Any] = {
            "properties": {
                name: {"title": name.upper(), "type": "integer"} for name in self.parameters
            },
            "title": f"{self.name}Arguments",
            "type": "object",
        }
        if self.parameters:
            schema["required"] = list(self.parameters)
        text = msgspec.json.encode(schema, order="sorted")
        return csi.Tool(self.name, self.description, text)


def _integer(arguments: Arguments, name: str) -> int:
    if name not in arguments:
        raise _RefusedError(f"the argument '{name}' is missing")
    value = arguments[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RefusedError(f"the argument '{name}' is not an integer")
    if not _I64_MIN <= value <= _I64_MAX:
        raise _RefusedError(f"the argument '{name}' is not an integer of 64 bits")
    return value


def _add(arguments: Arguments) -> str:
    return str(_integer(arguments, "a") + _integer(arguments, "b"))


def _subtract(arguments: Arguments) -> str:
    return str(_integer(arguments, "a") - _integer(arguments, "b"))


def _sabotage(_: Arguments) -> str:
    raise _RefusedError("Out of cheese.")


NATIVE: Mapping[str, NativeTool] = {
    tool.name: tool
    for tool in (
        NativeTool("add", "Add two numbers", ("a", "b"), _add),
        NativeTool("subtract", "Subtract two numbers", ("a", "b"), _subtract),
        NativeTool("saboteur", "This tool always fails.", (), _sabotage),
    )
}
"""What does the work behind each name of `namespaces.config.NATIVE_TOOLS`."""


class NativeTools:
    """The native tools that each namespace enables: a `ToolSource`."""

    def __init__(self, enabled: Callable[[Namespace], Sequence[str]]) -> None:
        """*enabled* returns the names that a namespace enables, none where it is unknown."""
        self._enabled = enabled

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        """See `ToolSource`."""
        return [tool.listed for tool in self._of(caller).values()]

    async def invoke(
        self, request: csi.ToolInvocation, caller: csi.Caller
    ) -> csi.ToolResult | None:
        """See `ToolSource`."""
        tool = self._of(caller).get(request.name)
        if tool is None:
            return None
        try:
            return csi.ToolOutput([tool.call(_parsed(request.arguments))])
        except _RefusedError as refused:
            return csi.ToolError(str(refused))

    def _of(self, caller: csi.Caller) -> Mapping[str, NativeTool]:
        if caller.namespace is None:
            return {}
        if caller.namespace == TEST_NAMESPACE:
            return NATIVE
        enabled = self._enabled(caller.namespace)
        return {name: tool for name, tool in NATIVE.items() if name in enabled}


def _parsed(arguments: Sequence[csi.ToolArgument]) -> Arguments:
    try:
        return {one.name: msgspec.json.decode(one.value) for one in arguments}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _RefusedError(f"an argument is not JSON: {error}") from error
