"""MCP's values as the CSI's."""

from typing import Any

import mcp_types as types
import pytest

from daemon.csi import interface as csi
from daemon.csi.mcp import format as text


def answer(**fields: Any) -> types.CallToolResult:
    """As a server sends it, in JSON."""
    return types.CallToolResult.model_validate({"content": [], **fields})


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "text", "text": "hello"}, "hello"),
        ({"type": "image", "data": "MTIzNDU=", "mimeType": "image/png"},
         "[image: image/png, 5 bytes]"),
        ({"type": "audio", "data": "", "mimeType": "audio/wav"}, "[audio: audio/wav, 0 bytes]"),
        ({"type": "resource_link", "name": "n", "uri": "file:///a"}, "[resource n: file:///a]"),
        ({"type": "resource_link", "name": "n", "title": "T", "description": "d", "uri": "x:y"},
         "[resource T: x:y (d)]"),
        ({"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}}, "inside"),
        ({"type": "resource", "resource": {"uri": "file:///a", "blob": "MTI="}},
         "[resource file:///a: of unknown type, 2 bytes]"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_described(block: dict[str, Any], words: str) -> None:
    """A Skill takes texts only."""
    assert text.result(answer(content=[block])) == csi.ToolOutput([words])


def test_structured_content_counts_where_there_is_no_text() -> None:
    """Servers should send both; some don't."""
    assert text.result(answer(structuredContent={"b": 1, "a": [2]})) == csi.ToolOutput(
        ['{"a":[2],"b":1}']
    )
    both = answer(structuredContent={"a": 1}, content=[{"type": "text", "text": "one"}])
    assert text.result(both) == csi.ToolOutput(["one"])


def test_a_failure_is_its_content() -> None:
    """Line by line, or at least something."""
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert text.result(answer(content=blocks, isError=True)) == csi.ToolError("one\ntwo")
    assert text.result(answer(isError=True)) == csi.ToolError("the tool failed without a reason")


def test_a_tool_that_asks_back_is_an_error() -> None:
    """Nobody is there to answer."""
    back = types.InputRequiredResult.model_validate(
        {"resultType": "input_required", "inputRequests": {}, "requestState": "s"}
    )
    match text.result(back):
        case csi.ToolError(message):
            assert "more input" in message
        case other:
            pytest.fail(str(other))


def test_tools_are_listed_as_skills_see_them() -> None:
    """A title describes where there is no description."""
    listed = [
        types.Tool(name="a", title="A tool", input_schema={"type": "object", "b": 1, "a": 2}),
        types.Tool(name="b", description="B", input_schema={"type": "object"}),
    ]
    assert text.tools(listed) == [
        csi.Tool("a", "A tool", b'{"a":2,"b":1,"type":"object"}'),
        csi.Tool("b", "B", b'{"type":"object"}'),
    ]


def test_lists_are_bounded() -> None:
    """By number, and by all their texts."""
    tools = [csi.Tool("a", "x" * 3999, b"{}")] * 1000
    assert text.too_much(tools[:999]) is None
    assert "characters" in (text.too_much(tools) or "")
    assert "1000 tools" in (text.too_much([csi.Tool("a", "", b"{}")] * 1001) or "")


def test_arguments_are_json() -> None:
    """Each by its name."""
    given = [csi.ToolArgument("a", b"1"), csi.ToolArgument("b", b'{"c": []}')]
    assert text.arguments(given) == {"a": 1, "b": {"c": []}}
    with pytest.raises(text.ArgumentError, match="the argument 'a' is not JSON"):
        text.arguments([csi.ToolArgument("a", b"nope")])


@pytest.mark.parametrize("value", [b"[" * 250 + b"]" * 250, b'{"a":' * 101 + b"[]" + b"}" * 101])
def test_arguments_may_not_be_nested_without_end(value: bytes) -> None:
    """The official client would break, with an error of no type."""
    with pytest.raises(text.ArgumentError, match="more than 100 levels"):
        text.arguments([csi.ToolArgument("a", value)])
    text.arguments([csi.ToolArgument("a", b"[" * 100 + b"]" * 100)])


def test_refusals_have_words_and_a_code() -> None:
    """The code tells apart what servers word alike; that of a broken connection tells nothing."""
    assert text.refusal(types.ErrorData(code=-32601, message="no")) == "no (code -32601)"
    assert text.refusal(types.ErrorData(code=-1, message="")).startswith("an error without")
    assert text.refusal(types.ErrorData(code=types.CONNECTION_CLOSED, message="gone")) == "gone"
