"""Chunking, language and tools, the same in the worlds 0.3, 0.4 and 0.5."""

from typing import Any

from daemon.csi import interface as csi
from daemon.engine.wit import (
    BOOL,
    BYTES,
    STRING,
    U32,
    U64,
    List,
    Option,
    Result,
    record,
    struct,
    variant,
)
from daemon.engine.worlds.hostcall import HostFunction, function, items

_CHUNK_PARAMS = record(model=STRING, max_tokens=U32, overlap=U32)
_CHUNK = struct(csi.Chunk, text=STRING, byte_offset=U64, character_offset=Option(U64))


def _chunk(requests: list[tuple[str, tuple[str, int, int]]]) -> csi.Request:
    return csi.ChunkTexts([csi.ChunkRequest(text, *params) for text, params in requests])


def _chunk_with_offsets(requests: list[tuple[str, tuple[str, int, int], bool]]) -> csi.Request:
    return csi.ChunkTexts(
        [csi.ChunkRequest(text, *params, offsets) for text, params, offsets in requests]
    )


CHUNKING: tuple[HostFunction, ...] = (
    function(
        "chunk",
        List(record(text=STRING, params=_CHUNK_PARAMS)),
        result=List(List(STRING)),
        ask=_chunk,
        answer=lambda reply: [[chunk.text for chunk in chunks] for chunks in reply.items],
    ),
    function(
        "chunk-with-offsets",
        List(record(text=STRING, params=_CHUNK_PARAMS, character_offsets=BOOL)),
        result=List(List(_CHUNK)),
        ask=_chunk_with_offsets,
        answer=items,
    ),
)

LANGUAGE: tuple[HostFunction, ...] = (
    function(
        "select-language",
        List(struct(csi.LanguageRequest, text=STRING, languages=List(STRING))),
        result=List(Option(STRING)),
        ask=csi.SelectLanguage,
        answer=items,
    ),
)

_ARGUMENT = struct(csi.ToolArgument, name=STRING, value=BYTES)
_TOOL = struct(csi.Tool, name=STRING, description=STRING, input_schema=BYTES)


def _tool_result(result: csi.ToolResult) -> tuple[bool, Any]:
    match result:
        case csi.ToolOutput(texts):
            return True, [("text", text) for text in texts]
        case csi.ToolError(message):
            return False, message


TOOL: tuple[HostFunction, ...] = (
    function(
        "invoke-tool",
        List(record(tool_name=STRING, arguments=List(_ARGUMENT))),
        result=List(Result(List(variant(text=STRING)), STRING)),
        ask=lambda requests: csi.InvokeTools([csi.ToolInvocation(*one) for one in requests]),
        answer=lambda reply: [_tool_result(one) for one in reply.items],
    ),
    function("list-tools", result=List(_TOOL), ask=csi.ListTools, answer=items),
)
