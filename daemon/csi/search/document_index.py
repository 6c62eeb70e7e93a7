"""
The driver of the Document Index service, with the caller's token.

Leaves out how a request is sent and repeated (`inference/http`). Names of collections and documents
are whatever a Skill says, so each is one encoded part of the path and can't lead elsewhere.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from daemon.csi import interface as csi
from daemon.csi.inference.failures import decode
from daemon.csi.inference.http import Backend, Bounds, Call
from daemon.csi.interface.value import U32
from daemon.errors import DaemonError, ErrorKind

NAME = "the Document Index"
BOUNDS = Bounds(first_byte=10.0, idle=10.0, whole=45.0, answer=32 << 20)
"""Ten seconds per attempt; four attempts."""

_KIND = {"without": "without", "with-one-of": "with_one_of", "with-all": "with"}
_TEXT_ONLY = {"with": [{"modality": "text"}]}


class _Element(msgspec.Struct):
    modality: str
    text: str | None = None


class _Cursor(msgspec.Struct):
    item: U32
    position: U32 = 0


class _Hit(msgspec.Struct):
    document_path: csi.DocumentPath
    score: float
    start: _Cursor
    end: _Cursor
    section: list[_Element] = []


class _Document(msgspec.Struct):
    contents: list[_Element] = []
    metadata: msgspec.Raw = msgspec.Raw(b"null")


_HITS = msgspec.json.Decoder(list[_Hit])
_DOCUMENT = msgspec.json.Decoder(_Document)
_ANYTHING = msgspec.json.Decoder()


class DocumentIndex:
    """See `csi.DocumentIndex`. Without the caller's token all here raise CSI_UNAUTHORIZED."""

    def __init__(self, backend: Backend) -> None:
        """*backend* should have the name `NAME` and keep the times of `BOUNDS`."""
        self._backend = backend

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        """See `csi.DocumentIndex`; texts only, images are left out."""
        at = request.index_path
        path = _path("collections", at.namespace, at.collection, "indexes", at.index, "search")
        answer = await self._fetch(path, caller, encode_search(request))
        return [_result(hit) for hit in decode(_HITS, answer, NAME)]

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        """See `csi.DocumentIndex`."""
        found = await self._document(path, caller)
        metadata = bytes(found.metadata)
        decode(_ANYTHING, metadata, NAME)  # it passes through, and nobody looked into it yet
        return csi.Document(
            path,
            [one.text if one.modality == "text" else None for one in found.contents],
            None if metadata == b"null" else metadata,
        )

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        """See `csi.DocumentIndex`."""
        return (await self.document(path, caller)).metadata

    async def _document(self, path: csi.DocumentPath, caller: csi.Caller) -> _Document:
        url = _path("collections", path.namespace, path.collection, "docs", path.name)
        return decode(_DOCUMENT, await self._fetch(url, caller), NAME)

    async def _fetch(self, path: str, caller: csi.Caller, body: bytes | None = None) -> bytes:
        if not caller.token:
            raise DaemonError(
                ErrorKind.CSI_UNAUTHORIZED,
                "the Document Index requires a token: send one in the Authorization header",
            )
        call = Call(path=path, model="", caller=caller, token=caller.token, body=body)
        try:
            return await self._backend.fetch(call)
        except DaemonError as error:
            raise _retold(error) from error


def encode_search(request: csi.SearchRequest) -> bytes:
    """The body of a search: the caller's filters, and always one for texts."""
    return msgspec.json.encode(
        {
            "query": [{"modality": "text", "text": request.query}],
            "max_results": request.max_results,
            "min_score": request.min_score,
            "filters": [*map(_filter, request.filters), _TEXT_ONLY],
        }
    )


def _filter(one: csi.SearchFilter) -> dict[str, Any]:
    return {_KIND[one.kind]: [{"metadata": _condition(part)} for part in one.conditions]}


def _condition(one: csi.MetadataFilter) -> dict[str, Any]:
    value = True if one.comparison == "is-null" else one.value
    return {"field": one.field, one.comparison.replace("-", "_"): value}


def _result(hit: _Hit) -> csi.SearchResult:
    texts = [one.text for one in hit.section if one.modality == "text" and one.text is not None]
    return csi.SearchResult(
        hit.document_path,
        "\n".join(texts),
        hit.score,
        csi.TextCursor(hit.start.item, hit.start.position),
        csi.TextCursor(hit.end.item, hit.end.position),
    )


def _path(*parts: str) -> str:
    """Encode each part; those that stand for directories can't be encoded."""
    for part in parts:
        if part in {"", ".", ".."}:
            raise DaemonError(
                ErrorKind.CSI_BAD_REQUEST,
                f"{part!r} can't be the name of a namespace, collection, index or document",
            )
    try:
        return "/".join(quote(part, safe="") for part in parts)
    except UnicodeEncodeError as error:
        raise DaemonError(
            ErrorKind.CSI_BAD_REQUEST, "a name holds half of a surrogate pair: send valid Unicode"
        ) from error


def _retold(error: DaemonError) -> DaemonError:
    """What inference does not support, this service does not have: both answer 404."""
    if error.kind is not ErrorKind.CSI_NOT_CONFIGURED:
        return error
    return DaemonError(
        ErrorKind.CSI_NOT_FOUND,
        f"{NAME} knows no such collection, index or document, or the token may not see it",
    )
