"""
MCP's types to those of the CSI: listings, arguments, contents, errors. Pure.

Skills take texts, so what is no text is described in one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mcp_types as types
import msgspec

from daemon.csi import interface as csi


class ArgumentError(Exception):
    """An argument is not what a tool can be called with."""


def tools(listed: Sequence[types.Tool]) -> Mapping[str, csi.Tool]:
    """Return the tools by name; of two with one name, the first counts."""
    found: dict[str, csi.Tool] = {}
    for tool in listed:
        schema = msgspec.json.encode(tool.input_schema, order="sorted")
        described = tool.description or tool.title or ""
        found.setdefault(tool.name, csi.Tool(tool.name, described, schema))
    return found


def arguments(given: Sequence[csi.ToolArgument]) -> dict[str, Any]:
    """Return the arguments as JSON values. Raises ArgumentError."""
    found: dict[str, Any] = {}
    for one in given:
        try:
            found[one.name] = msgspec.json.decode(one.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ArgumentError(f"the argument {one.name!r} is not JSON: {error}") from error
    return found


def result(answer: types.CallToolResult | types.InputRequiredResult) -> csi.ToolResult:
    """Return what a tool answered."""
    if isinstance(answer, types.InputRequiredResult):
        return csi.ToolError("the tool asks for more input, which a Skill can't give during a call")
    texts = [_text(block) for block in answer.content]
    if not texts and answer.structured_content is not None:
        texts = [msgspec.json.encode(answer.structured_content, order="sorted").decode()]
    if answer.is_error:
        return csi.ToolError("\n".join(texts) or "the tool failed without a reason")
    return csi.ToolOutput(texts)


def _text(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type}: {block.mime_type}, {_bytes(block.data)} bytes]"
        case types.ResourceLink():
            about = f" ({block.description})" if block.description else ""
            return f"[resource {block.title or block.name}: {block.uri}{about}]"
        case types.EmbeddedResource():
            return _embedded(block.resource)


def _embedded(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    kind = resource.mime_type or "of unknown type"
    return f"[resource {resource.uri}: {kind}, {_bytes(resource.blob)} bytes]"


def _bytes(base64: str) -> int:
    """How long the data is that *base64* stands for."""
    return len(base64.rstrip("=")) * 3 // 4


def refusal(error: types.ErrorData) -> str:
    """Return a JSON-RPC error in words."""
    message = error.message or "an error without a message"
    return message if error.code == types.CONNECTION_CLOSED else f"{message} (code {error.code})"
