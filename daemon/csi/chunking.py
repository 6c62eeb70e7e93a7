"""
Splits texts into pieces that a model can take, counted in that model's tokens.

By semantic-text-splitter, the library that the reference uses: paragraphs before sentences before
words. The splitting runs in a thread (the library releases the GIL); the time it takes grows with
the square of the longest paragraph. Leaves out where tokenizers come from: a `Tokenizers` source
finds them. Without a tokenizer the call fails, unless the operator turned the character fallback
on: characters would silently change every chunk's size.
"""

import itertools
from typing import Protocol

from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from daemon.csi.interface import Caller, Chunk, ChunkRequest
from daemon.csi.threads import Threads
from daemon.errors import DaemonError, ErrorKind

_WITHOUT_TOKENIZER = frozenset({ErrorKind.CSI_UNKNOWN_MODEL, ErrorKind.CSI_NOT_CONFIGURED})
"""What stays so. Chunks must not depend on whether the backend was slow, or the token good."""


class Tokenizers(Protocol):
    """Finds the tokenizer of a model."""

    async def get(self, model: str, caller: Caller) -> Tokenizer:
        """Raises DaemonError: CSI_UNKNOWN_MODEL, CSI_NOT_CONFIGURED, or the backend's failure."""
        ...


class SemanticChunking:
    """The `Chunking` driver."""

    def __init__(self, tokenizers: Tokenizers, *, character_fallback: bool = False) -> None:
        """With *character_fallback*, a model without a tokenizer is counted in characters."""
        self._tokenizers = tokenizers
        self._character_fallback = character_fallback
        self._threads = Threads("chunking")

    async def chunk(self, request: ChunkRequest, caller: Caller) -> list[Chunk]:
        """See the Protocol. Raises DaemonError(CSI_BAD_REQUEST) for sizes that can't be."""
        _check(request)
        tokenizer = await self._tokenizer(request.model, caller)
        return await self._threads.run(lambda: _split(request, tokenizer))

    async def _tokenizer(self, model: str, caller: Caller) -> Tokenizer | None:
        try:
            return await self._tokenizers.get(model, caller)
        except DaemonError as error:
            if self._character_fallback and error.kind in _WITHOUT_TOKENIZER:
                return None
            raise


def _check(request: ChunkRequest) -> None:
    if request.max_tokens < 1:
        raise DaemonError(ErrorKind.CSI_BAD_REQUEST, "max_tokens must be at least 1")
    if request.overlap >= request.max_tokens:
        raise DaemonError(
            ErrorKind.CSI_BAD_REQUEST,
            f"overlap ({request.overlap}) must be less than max_tokens ({request.max_tokens})",
        )


def _split(request: ChunkRequest, tokenizer: Tokenizer | None) -> list[Chunk]:
    if tokenizer is None:
        splitter = TextSplitter(request.max_tokens, overlap=request.overlap)
    else:
        splitter = TextSplitter.from_huggingface_tokenizer(
            tokenizer, request.max_tokens, overlap=request.overlap
        )
    found = splitter.chunk_indices(request.text)
    bytes_before = _byte_offsets(request.text, [start for start, _ in found])
    return [
        Chunk(text, at, start if request.character_offsets else None)
        for (start, text), at in zip(found, bytes_before, strict=True)
    ]


def _byte_offsets(text: str, starts: list[int]) -> list[int]:
    """Return the UTF-8 offset of each character offset; *starts* never decrease."""
    pieces = itertools.pairwise([0, *starts])
    return list(itertools.accumulate(len(text[a:b].encode()) for a, b in pieces))
