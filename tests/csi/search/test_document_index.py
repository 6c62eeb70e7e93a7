"""The driver against a real server."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from daemon.csi import interface as csi
from daemon.csi.inference.connections import open_session
from daemon.csi.inference.http import Backend
from daemon.csi.search.document_index import BOUNDS, NAME, DocumentIndex
from daemon.errors import DaemonError, ErrorKind
from tests.document_index_stub import StubDocumentIndex, hit, serve
from tests.lies import fits, lies

TRACE = (("traceparent", "00-1-2-01"), ("tracestate", "a=b"))
CALLER = csi.Caller(token="secret", trace=TRACE)
PATH = csi.DocumentPath("ns", "col", "doc")


def request(**changes: object) -> csi.SearchRequest:
    """A search."""
    at = csi.IndexPath("ns", "col", "idx")
    return csi.SearchRequest(at, "hello", 3, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def stub() -> AsyncIterator[StubDocumentIndex]:
    """A server."""
    stub = StubDocumentIndex()
    async with serve(stub):
        yield stub


@pytest.fixture
async def index(stub: StubDocumentIndex) -> AsyncIterator[DocumentIndex]:
    """A driver without patience."""
    bounds = replace(BOUNDS, first_byte=0.3, backoff=0.001)
    async with open_session() as session:
        yield DocumentIndex(Backend(session, stub.url, name=NAME, bounds=bounds))


async def test_a_search_is_sent_as_the_contract_says(
    index: DocumentIndex, stub: StubDocumentIndex
) -> None:
    """With every kind of filter, and the one for texts."""
    conditions = [
        csi.MetadataFilter("a", "greater-than", 1.5),
        csi.MetadataFilter("b[].c", "at-or-before", "2024-01-01T00:00:00Z"),
        csi.MetadataFilter("d", "equal-to", True),
        csi.MetadataFilter("e", "is-null"),
    ]
    filters = [
        csi.SearchFilter("with-all", conditions),
        csi.SearchFilter("with-one-of", conditions[:1]),
        csi.SearchFilter("without", conditions[3:]),
    ]

    await index.search(request(min_score=0.25, filters=filters), CALLER)

    (seen,) = stub.seen
    assert (seen.method, seen.path) == ("POST", "/collections/ns/col/indexes/idx/search")
    assert seen.headers["Authorization"] == "Bearer secret"
    assert (seen.headers["traceparent"], seen.headers["tracestate"]) == ("00-1-2-01", "a=b")
    first = {"metadata": {"field": "a", "greater_than": 1.5}}
    last = {"metadata": {"field": "e", "is_null": True}}
    assert seen.body == {
        "query": [{"modality": "text", "text": "hello"}],
        "max_results": 3,
        "min_score": 0.25,
        "filters": [
            {
                "with": [
                    first,
                    {"metadata": {"field": "b[].c", "at_or_before": "2024-01-01T00:00:00Z"}},
                    {"metadata": {"field": "d", "equal_to": True}},
                    last,
                ]
            },
            {"with_one_of": [first]},
            {"without": [last]},
            {"with": [{"modality": "text"}]},
        ],
    }


async def test_sections_of_any_number_of_elements_are_read(
    index: DocumentIndex, stub: StubDocumentIndex
) -> None:
    """One, none, several."""
    stub.hits = [hit("one"), hit(), hit("two", "three")]

    found = await index.search(request(), CALLER)

    assert [one.content for one in found] == ["one", "", "two\nthree"]
    assert found[0] == csi.SearchResult(
        PATH, "one", 0.5, csi.TextCursor(0, 0), csi.TextCursor(0, 5)
    )


async def test_a_document_loses_the_bytes_of_its_images(
    index: DocumentIndex, stub: StubDocumentIndex
) -> None:
    """Metadata pass untouched; null is none."""
    text, image = {"modality": "text", "text": "t"}, {"modality": "image", "bytes": "AAAA"}
    stub.documents = {"doc": {"contents": [text, image], "metadata": {"a": [1]}}}

    found = await index.document(PATH, CALLER)

    assert found.contents == ["t", None]
    assert found.metadata is not None
    assert found.metadata.replace(b" ", b"") == b'{"a":[1]}'
    stub.documents = {"doc": {"contents": [], "metadata": None}}
    assert await index.metadata(PATH, CALLER) is None


@pytest.mark.parametrize("name", ["a/b", "../../other", "a?b=c", "a#b", "50%", "a%2Fb", "ä ö"])
async def test_names_cannot_leave_their_place_in_the_path(
    index: DocumentIndex, stub: StubDocumentIndex, name: str
) -> None:
    """Whatever a Skill calls its document."""
    stub.documents = {name: {"contents": []}}

    await index.document(csi.DocumentPath("ns", "col", name), CALLER)

    assert stub.seen[0].path.startswith("/collections/ns/col/docs/")
    assert stub.seen[0].path.count("/") == 5


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800"])
async def test_names_that_cannot_be_sent_are_refused(index: DocumentIndex, name: str) -> None:
    """Before anything is sent."""
    with pytest.raises(DaemonError) as caught:
        await index.document(csi.DocumentPath("ns", name, "doc"), CALLER)

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


async def test_without_a_token_nothing_is_sent(
    index: DocumentIndex, stub: StubDocumentIndex
) -> None:
    """The text says where to put one."""
    with pytest.raises(DaemonError, match="Authorization header") as caught:
        await index.search(request(), csi.Caller())

    assert caught.value.kind is ErrorKind.CSI_UNAUTHORIZED
    assert stub.seen == []


async def test_transient_failures_are_tried_again(
    index: DocumentIndex, stub: StubDocumentIndex
) -> None:
    """Three times."""
    stub.statuses.extend([503, 502, 503])
    stub.hits = [hit("found")]

    assert len(await index.search(request(), CALLER)) == 1
    assert len(stub.seen) == 4


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (400, ErrorKind.CSI_BAD_REQUEST, "the Document Index refused the request: as scripted"),
        (401, ErrorKind.CSI_UNAUTHORIZED, "the Document Index refused the token"),
        (404, ErrorKind.CSI_NOT_FOUND, "no such collection"),
        (500, ErrorKind.CSI_UPSTREAM, "the Document Index failed with status 500"),
    ],
)
async def test_refusals_keep_their_kind(
    index: DocumentIndex, stub: StubDocumentIndex, status: int, kind: ErrorKind, text: str
) -> None:
    """And name the Document Index."""
    stub.statuses.append(status)

    with pytest.raises(DaemonError, match=text) as caught:
        await index.search(request(), CALLER)

    assert caught.value.kind is kind
    assert len(stub.seen) == 1


async def test_silence_is_a_timeout(index: DocumentIndex, stub: StubDocumentIndex) -> None:
    """Not for ever."""
    stub.hang = True

    with pytest.raises(DaemonError, match="the Document Index did not answer") as caught:
        await index.search(request(), CALLER)

    assert caught.value.kind is ErrorKind.CSI_TIMEOUT


@pytest.mark.parametrize("raw", [b"{", b"{}", b'[{"score": "high"}]', b"\xff", b"[" * 100_000])
async def test_a_malformed_answer_is_told(
    index: DocumentIndex, stub: StubDocumentIndex, raw: bytes
) -> None:
    """It is the service's fault."""
    stub.raw = raw

    with pytest.raises(DaemonError, match="malformed answer") as caught:
        await index.search(request(), CALLER)

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


DOCUMENT = {"contents": [{"modality": "text", "text": "a"}], "metadata": {"a": 1}}
SLOW = settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@SLOW
@given(body=lies([hit("a")], DOCUMENT))
async def test_answers_that_lie_are_read_or_refused(
    index: DocumentIndex, stub: StubDocumentIndex, body: bytes
) -> None:
    """Whatever stands in any place."""
    stub.raw = body
    try:
        fits(await index.search(request(), CALLER), list[csi.SearchResult])
        fits(await index.document(PATH, CALLER), csi.Document)
    except DaemonError as error:
        assert error.kind is ErrorKind.CSI_UPSTREAM


@pytest.mark.parametrize("metadata", [b'"\xff"', b"1e999", b"[" * 100_000])
async def test_metadata_that_nobody_could_read_is_refused(
    index: DocumentIndex, stub: StubDocumentIndex, metadata: bytes
) -> None:
    """It would pass through to the caller."""
    stub.raw = b'{"metadata": ' + metadata + b"}"

    with pytest.raises(DaemonError, match="malformed") as caught:
        await index.metadata(PATH, CALLER)

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM
