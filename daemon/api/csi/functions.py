"""
The functions of the CSI, one line each: the shape of a request, what it asks, how it is answered.

Leaves out HTTP (`routes`) and streams.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from daemon.api.csi import documents, inference, texts, tools
from daemon.api.csi.body import BATCH, Shape, decode
from daemon.csi import interface as csi
from daemon.csi.context import HostContext


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that are answered one by one, all at once, in their order."""

    decoder: msgspec.json.Decoder[Any]
    ask: Callable[[Any], csi.Request]
    tell: Callable[[Any, Any], object]

    async def answer(self, body: bytes, context: HostContext) -> list[object]:
        """JSON text in, what JSON shall say out. Raises DaemonError; the first error counts."""
        shapes = decode(body, self.decoder)
        return await self.answers(shapes, context)

    async def answers(self, shapes: list[Any], context: HostContext) -> list[object]:
        """See `answer`; with requests that are decoded already."""
        reply: Any = await context.answer(self.ask([one.request() for one in shapes]))
        pairs = zip(shapes, reply.items, strict=True)
        return [self.tell(shape, item) for shape, item in pairs]


def batch(
    shape: type[Shape], ask: Callable[[Any], csi.Request], tell: Callable[[Any, Any], object]
) -> Batch:
    """A function that takes a list of *shape*."""
    kind: Any = Annotated[list[shape], BATCH]  # type: ignore[valid-type]
    return Batch(msgspec.json.Decoder(kind), ask, tell)


_BOTH: dict[str, Batch] = {
    "chunk": batch(texts.Chunk, csi.ChunkTexts, texts.chunks),
    "chunk_with_offsets": batch(texts.ChunkWithOffsets, csi.ChunkTexts, texts.chunks_with_offsets),
    "complete": batch(inference.Completion, csi.Complete, inference.completion),
    "documents": batch(documents.Path, csi.Documents, documents.document),
    "document_metadata": batch(documents.Path, csi.DocumentMetadata, documents.metadata),
    "explain": batch(inference.Explanation, csi.Explain, inference.explanation),
    "search": batch(documents.Search, csi.Search, documents.found),
    "select_language": batch(texts.Language, csi.SelectLanguage, texts.language),
}

V1: Mapping[str, Batch] = {
    "chat": batch(inference.Chat, csi.Chat, inference.chat_v1),
    **_BOTH,
}
V2: Mapping[str, Batch] = {
    "chat": batch(inference.Chat, csi.Chat, inference.chat_v2),
    **_BOTH,
}


@dataclass(frozen=True, slots=True)
class OfTools:
    """A function on the tools of a namespace: one object that names it."""

    decoder: msgspec.json.Decoder[Any]
    tell: Callable[[Any], object]

    async def answer(self, asked: tools.ListTools, context: HostContext) -> list[object]:
        """The context is that of the namespace asked about."""
        reply: Any = await context.answer(asked.request())
        return [self.tell(one) for one in reply.items]


TOOLS: Mapping[str, OfTools] = {
    "invoke_tool": OfTools(msgspec.json.Decoder(tools.InvokeTools), tools.result),
    "list_tools": OfTools(msgspec.json.Decoder(tools.ListTools), tools.tool),
}
