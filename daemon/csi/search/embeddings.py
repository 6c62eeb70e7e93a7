"""
Embeddings from an OpenAI-compatible backend (`POST /embeddings`), for the embedded index.

Long lists go in batches, a few at a time; the first failure ends all. The token is the operator's,
never the caller's. Leaves out what the vectors are for.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.csi.inference.failures import decode, malformed
from daemon.csi.inference.http import Backend, Call
from daemon.csi.interface import Caller
from daemon.errors import DaemonError, first
from daemon.secret import Secret

Vectors = NDArray[np.float32]
_LARGEST = 1e15
"""Beyond, lengths of vectors no longer fit a float32."""


class _Row(msgspec.Struct):
    index: int
    embedding: list[Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]]


class _Answer(msgspec.Struct):
    data: list[_Row]


_ANSWERS = msgspec.json.Decoder(_Answer)


class OpenAiEmbeddings:
    """See `embedded.index.Embeddings`."""

    def __init__(
        self,
        backend: Backend,
        *,
        model: str,
        token: Secret,
        batch: int = 64,
        concurrency: int = 4,
    ) -> None:
        """*batch*: texts per request; *concurrency*: requests at a time."""
        self._backend = backend
        self._model = model
        self._token = token
        self._batch = batch
        self._slots = asyncio.Semaphore(concurrency)

    @property
    def model(self) -> str:
        """The model that makes the vectors."""
        return self._model

    async def embed(self, texts: Sequence[str], caller: Caller) -> Vectors:
        """See `embedded.index.Embeddings`."""
        batches = [texts[at : at + self._batch] for at in range(0, len(texts), self._batch)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._request(one, caller)) for one in batches]
        except* DaemonError as errors:
            raise first(errors) from None
        rows = [task.result() for task in tasks]
        if len({one.shape[1] for one in rows}) > 1:
            raise _uneven()
        return await asyncio.to_thread(np.concatenate, rows)

    async def _request(self, texts: Sequence[str], caller: Caller) -> Vectors:
        # An empty text is refused by most backends; a space has a meaning as good.
        request = {"model": self._model, "input": [text or " " for text in texts]}
        call = Call(
            path="embeddings",
            model=self._model,
            caller=caller,
            token=self._token.reveal() or None,
            body=msgspec.json.encode(request),
        )
        async with self._slots:
            answer = await self._backend.fetch(call)
        return await asyncio.to_thread(_decode, answer, len(texts))


def _decode(answer: bytes, count: int) -> Vectors:
    rows = decode(_ANSWERS, answer).data
    rows.sort(key=lambda row: row.index)
    if [row.index for row in rows] != list(range(count)) or not all(row.embedding for row in rows):
        raise malformed(f"not one embedding for each of {count} texts")
    if len({len(row.embedding) for row in rows}) > 1:
        raise _uneven()
    return np.array([row.embedding for row in rows], dtype=np.float32)


def _uneven() -> DaemonError:
    return malformed("embeddings of different lengths")
