"""Embeddings of a real HTTP server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from daemon.csi import interface as csi
from daemon.csi.inference.connections import open_session
from daemon.csi.inference.http import Backend, Bounds
from daemon.csi.search.embeddings import OpenAiEmbeddings
from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret
from tests.inference_stub import Fault, StubBackend, serve


@pytest.fixture
async def stub() -> AsyncIterator[StubBackend]:
    """A text's embedding is its length; they come in the wrong order."""
    stub = StubBackend(key="secret")

    async def embed(request: web.Request) -> web.StreamResponse:
        body = await stub.admit(request)
        if stub.replies:
            return web.json_response(stub.replies.popleft())
        rows = [{"index": n, "embedding": [len(text), 1]} for n, text in enumerate(body["input"])]
        return web.json_response({"data": rows[::-1]})

    async with serve(stub, {"/embeddings": embed}):
        yield stub


@pytest.fixture
async def embeddings(stub: StubBackend) -> AsyncIterator[OpenAiEmbeddings]:
    """Two texts a batch."""
    async with open_session() as session:
        backend = Backend(session, stub.url, bounds=Bounds(backoff=0.001))
        yield OpenAiEmbeddings(backend, model="small", token=Secret("secret"), batch=2)


async def test_rows_are_in_the_order_of_the_texts(
    embeddings: OpenAiEmbeddings, stub: StubBackend
) -> None:
    """Whatever the batches; an empty text is sent as a space."""
    rows = await embeddings.embed(["a", "bbb", "", "cc", "dddd"], csi.Caller(token="caller"))

    assert rows.tolist() == [[1, 1], [3, 1], [1, 1], [2, 1], [4, 1]]
    bodies: list[Any] = [seen.body for seen in stub.seen]
    assert sorted(json.dumps(body["input"]) for body in bodies) == [
        '[" ", "cc"]',
        '["a", "bbb"]',
        '["dddd"]',
    ]
    assert {seen.headers["Authorization"] for seen in stub.seen} == {"Bearer secret"}
    assert {body["model"] for body in bodies} == {"small"}


async def test_the_first_failure_ends_all(embeddings: OpenAiEmbeddings, stub: StubBackend) -> None:
    """With its kind."""
    stub.faults.append(Fault(status=400, body=b'{"error": {"message": "too long"}}'))

    with pytest.raises(DaemonError, match="too long") as caught:
        await embeddings.embed(["a", "b", "c"], csi.Caller())

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"index": 0, "embedding": []}],
        [{"index": 1, "embedding": [1.0]}],
        [{"index": 0, "embedding": "x"}],
        [{"index": 0, "embedding": [1e39]}],
        [{"index": 10**30, "embedding": [1]}],
    ],
)
async def test_a_malformed_answer_is_told(
    embeddings: OpenAiEmbeddings, stub: StubBackend, rows: list[Any]
) -> None:
    """Rows that are missing, empty or no numbers."""
    stub.replies.append({"data": rows})

    with pytest.raises(DaemonError, match="malformed") as caught:
        await embeddings.embed(["a"], csi.Caller())

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


@pytest.mark.parametrize("lengths", [(1, 2, 1), (1, 1, 2)])
async def test_embeddings_of_different_lengths_are_told(
    embeddings: OpenAiEmbeddings, stub: StubBackend, lengths: tuple[int, int, int]
) -> None:
    """Within one answer or between two."""
    rows = [{"index": n % 2, "embedding": [1] * length} for n, length in enumerate(lengths)]
    stub.replies += [{"data": rows[:2]}, {"data": rows[2:]}]

    with pytest.raises(DaemonError, match="malformed"):
        await embeddings.embed(["a", "b", "c"], csi.Caller())


async def test_an_answer_nested_without_end_is_told(
    embeddings: OpenAiEmbeddings, stub: StubBackend
) -> None:
    """As any other that is malformed."""
    stub.faults.append(Fault(status=200, body=b'{"data": ' + b"[" * 100_000))

    with pytest.raises(DaemonError, match="malformed"):
        await embeddings.embed(["a"], csi.Caller())
