"""
Embeddings from an OpenAI-compatible backend (`POST /embeddings`), for the embedded index.

Long lists go in batches, a few at a time; the first failure ends all. The token is the operator's,
never the caller's. Leaves out what the vectors are for.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.csi.inference.failures import malformed
from daemon.csi.inference.http import Backend, Call
from daemon.csi.interface import Caller
from daemon.errors import DaemonError
from daemon.secret import Secret


class _Row(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Row]


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

    async def embed(self, texts: Sequence[str], caller: Caller) -> NDArray[np.float32]:
        """See `embedded.index.Embeddings`."""
        batches = [texts[at : at + self._batch] for at in range(0, len(texts), self._batch)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._request(one, caller)) for one in batches]
        except* DaemonError as errors:
            raise _first(errors) from None
        rows = [row for task in tasks for row in task.result()]
        if len({len(row) for row in rows}) > 1:
            raise malformed("embeddings of different lengths")
        return np.array(rows, dtype=np.float32)

    async def _request(self, texts: Sequence[str], caller: Caller) -> list[list[float]]:
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


def _decode(answer: bytes, count: int) -> list[list[float]]:
    try:
        rows = msgspec.json.decode(answer, type=_Answer).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(str(error)) from error
    rows.sort(key=lambda row: row.index)
    if [row.index for row in rows] != list(range(count)) or not all(row.embedding for row in rows):
        raise malformed(f"not one embedding for each of {count} texts")
    return [row.embedding for row in rows]


def _first(group: BaseExceptionGroup[DaemonError]) -> DaemonError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
