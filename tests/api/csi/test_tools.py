"""Tools: their JSON."""

import msgspec
import pytest

from daemon.api.csi import tools
from daemon.csi import interface as csi


def test_arguments_pass_as_their_text() -> None:
    """Null is a value like others, and numbers keep their digits."""
    body = (
        b'{"namespace":"n","requests":[{"name":"add","arguments":'
        b'[{"name":"a","value":1.50},{"name":"b","value":null}]}]}'
    )

    asked = msgspec.json.decode(body, type=tools.InvokeTools)

    arguments = [csi.ToolArgument("a", b"1.50"), csi.ToolArgument("b", b"null")]
    assert asked.request() == csi.InvokeTools([csi.ToolInvocation("add", arguments)])


def test_a_namespace_is_a_name() -> None:
    """The text says what is one."""
    with pytest.raises(msgspec.ValidationError, match=r"is not a namespace name: .* lower-case"):
        msgspec.convert({"namespace": "No Name"}, tools.ListTools)


def test_results_are_texts_or_an_error() -> None:
    """An error is the text itself."""
    assert tools.result(csi.ToolOutput(["a", "b"])) == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert tools.result(csi.ToolError("no")) == "no"


def test_a_tool_tells_its_schema_as_it_is() -> None:
    """In the contract's order."""
    told = tools.tool(csi.Tool("add", "Add", b'{"b":1,"a":2}'))

    assert msgspec.json.encode(told) == (
        b'{"name":"add","description":"Add","input_schema":{"b":1,"a":2}}'
    )
