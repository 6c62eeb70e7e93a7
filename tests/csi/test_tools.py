"""Which tools there are, and what they answer."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from daemon.csi import interface as csi
from daemon.csi.tools import NATIVE, NativeTools, Toolbox
from daemon.names import Namespace
from daemon.namespaces.config import NATIVE_TOOLS

PLAYGROUND = csi.Caller(namespace=Namespace("test-beta"))
TEAM = csi.Caller(namespace=Namespace("team"))


def toolbox(*enabled: str) -> Toolbox:
    """The native tools, of which team enables some."""
    return Toolbox(NativeTools(lambda name: enabled if name == "team" else ()))


async def ask(name: str, caller: csi.Caller = PLAYGROUND, **arguments: Any) -> csi.ToolResult:
    """Call a native tool."""
    given = [csi.ToolArgument(key, json.dumps(value).encode()) for key, value in arguments.items()]
    return await toolbox().invoke(csi.ToolInvocation(name, given), caller)


@pytest.mark.parametrize(
    ("a", "b", "total", "difference"),
    [
        (1, 2, "3", "-1"),
        (-(2**63), 1, str(-(2**63) + 1), str(-(2**63) - 1)),
        (2**63 - 1, 2**63 - 1, str(2**64 - 2), "0"),
    ],
)
async def test_numbers_are_exact(a: int, b: int, total: str, difference: str) -> None:
    """Also where 64 bits would overflow."""
    assert await ask("add", a=a, b=b) == csi.ToolOutput([total])
    assert await ask("subtract", a=a, b=b) == csi.ToolOutput([difference])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"a": 1}, "the argument 'b' is missing"),
        ({"a": "1", "b": 2}, "the argument 'a' is not an integer"),
        ({"a": 1, "b": 2.0}, "the argument 'b' is not an integer"),
        ({"a": True, "b": 2}, "the argument 'a' is not an integer"),
        ({"a": 2**63, "b": 2}, "the argument 'a' is not an integer of 64 bits"),
    ],
)
async def test_wrong_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    """As an error for the Skill to handle."""
    assert await ask("add", **arguments) == csi.ToolError(words)


async def test_argument_that_is_no_json_is_an_error() -> None:
    """The guest wrote it by hand."""
    invocation = csi.ToolInvocation("add", [csi.ToolArgument("a", b"{")])
    match await toolbox().invoke(invocation, PLAYGROUND):
        case csi.ToolError(message):
            assert message.startswith("an argument is not JSON")
        case other:
            pytest.fail(str(other))


async def test_saboteur_fails() -> None:
    """In the words that its tests rely on."""
    assert await ask("saboteur") == csi.ToolError("Out of cheese.")


async def test_unknown_tool_is_an_error_for_the_skill() -> None:
    """So is one that the namespace does not enable."""
    expected = csi.ToolError("Tool divide was not found on any server.")
    assert await ask("divide") == expected
    match await ask("add", TEAM, a=1, b=2):
        case csi.ToolError(message):
            assert "add was not found" in message
        case other:
            pytest.fail(str(other))


async def test_namespaces_have_what_they_enable() -> None:
    """The playground has all; without a namespace there is nothing."""
    box = toolbox("subtract", "add")
    assert [tool.name for tool in await box.list(TEAM)] == ["add", "subtract"]
    assert [tool.name for tool in await box.list(PLAYGROUND)] == ["add", "saboteur", "subtract"]
    assert await box.list(csi.Caller()) == []


@pytest.mark.parametrize("name", ["add", "subtract"])
def test_numbers_are_asked_for_by_schema(name: str) -> None:
    """Keys sorted, titles as the reference has them (but for its copy slip in `subtract`)."""
    assert json.loads(NATIVE[name].listed.input_schema) == {
        "properties": {
            "a": {"title": "A", "type": "integer"},
            "b": {"title": "B", "type": "integer"},
        },
        "required": ["a", "b"],
        "title": f"{name}Arguments",
        "type": "object",
    }


def test_saboteur_asks_for_nothing() -> None:
    """An object without properties."""
    listed = NATIVE["saboteur"].listed
    assert listed.input_schema == (b'{"properties":{},"title":"saboteurArguments","type":"object"}')


class Server:
    """Another source of tools, which has its own `add`."""

    async def list(self, caller: csi.Caller) -> Sequence[csi.Tool]:
        """See ToolSource."""
        return [csi.Tool("add", "mine", b"{}"), csi.Tool("search", "the web", b"{}")]

    async def invoke(
        self, request: csi.ToolInvocation, caller: csi.Caller
    ) -> csi.ToolResult | None:
        """See ToolSource."""
        return csi.ToolOutput(["served"])


async def test_native_tools_win_over_those_of_servers() -> None:
    """In calls as in listings, where each name stands once."""
    box = Toolbox(NativeTools(lambda _: ("add",)), Server())
    listed = await box.list(TEAM)
    assert [(tool.name, tool.description) for tool in listed] == [
        ("add", "Add two numbers"),
        ("search", "the web"),
    ]
    call = csi.ToolInvocation("search")
    assert await box.invoke(call, TEAM) == csi.ToolOutput(["served"])


def test_every_tool_that_a_namespace_may_enable_exists() -> None:
    """And no other."""
    assert set(NATIVE) == set(NATIVE_TOOLS)
