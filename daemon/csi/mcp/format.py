"""
MCP's types to those of the CSI: listings, arguments, contents, errors. Pure.

Skills take texts, so what is no text is described in one.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import mcp_types as types
import msgspec

from daemon.csi import interface as csi

_MOST_TOOLS = 1_000
_MOST_TEXT = 4_000_000
_MOST_LEVELS = 100  # of what is sent; the official client breaks at some 250


class ArgumentError(Exception):
    """An argument is not what a tool can be called with."""


def tools(listed: Iterable[types.Tool]) -> list[csi.Tool]:
    """Return the tools as Skills see them."""
    return [
        csi.Tool(
            tool.name,
            tool.description or tool.title or "",
            msgspec.json.encode(tool.input_schema, order="sorted"),
        )
        for tool in listed
    ]


def too_much(listed: Collection[csi.Tool]) -> str | None:
    """Why a list is not taken, if so: it stays in memory, and goes to guests and models."""
    if len(listed) > _MOST_TOOLS:
        return f"it lists more than {_MOST_TOOLS} tools"
    if sum(len(it.name) + len(it.description) + len(it.input_schema) for it in listed) > _MOST_TEXT:
        return f"it describes its tools in more than {_MOST_TEXT} characters"
    return None


def arguments(given: Sequence[csi.ToolArgument]) -> dict[str, Any]:
    """Return the arguments as JSON values. Raises ArgumentError."""
    found: dict[str, Any] = {}
    for one in given:
        try:
            value = msgspec.json.decode(one.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ArgumentError(f"the argument {one.name!r} is not JSON: {error}") from error
        if not _is_flat(value, _MOST_LEVELS):
            raise ArgumentError(f"the argument {one.name!r} has more than {_MOST_LEVELS} levels")
        found[one.name] = value
    return found


def _is_flat(value: Any, levels: int) -> bool:
    """Whether *value* has at most so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels >= 0 and all(_is_flat(one, levels - 1) for one in inner)


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
