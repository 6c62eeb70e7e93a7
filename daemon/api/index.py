"""
The routes that fill the embedded index, for those who have no Document Index service.

Without an embedded index each answers 503 and says what to set. Leaves out searching: that is the
CSI's, whichever index is behind it.
"""

import re
from typing import Literal, NoReturn

import msgspec
from aiohttp import web

from daemon.api import requests, schema
from daemon.api.csi.body import decode
from daemon.api.ports import SERVICES, DocumentStore
from daemon.csi.interface import DocumentPath
from daemon.csi.search.embedded.values import NewDocument
from daemon.errors import DaemonError, ErrorKind

_MAX_NAMES = 1000
_LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _Text(msgspec.Struct):
    text: str
    modality: Literal["text"] = "text"


class _Body(msgspec.Struct):
    contents: list[_Text]
    metadata: msgspec.Raw = msgspec.Raw(b"null")


_BODY = msgspec.json.Decoder(_Body)


async def collections(request: web.Request) -> web.Response:
    """`GET /v1/index`: all collections with their sizes."""
    found = await _store(request).collections()
    return schema.json(
        [
            {
                "namespace": one.namespace,
                "collection": one.name,
                "documents": one.documents,
                "sections": one.sections,
            }
            for one in found
        ]
    )


async def names(request: web.Request) -> web.Response:
    """`GET /v1/index/{namespace}/{collection}/documents`: names, page by page."""
    namespace, collection = _name(request, "namespace"), _name(request, "collection")
    store = _store(request)
    limit = _limit(request.query.get("limit"))
    after = request.query.get("after", "")
    try:
        found = await store.names(namespace, collection, after=after, limit=limit)
    except DaemonError as error:
        _not_found(error)
    return schema.json(found)


async def put(request: web.Request) -> web.Response:
    """`PUT …/documents/{document}`: add a document, or replace it."""
    store = _store(request)
    body = decode(await requests.json_body(request), _BODY)
    new = NewDocument(_path(request), [one.text for one in body.contents], bytes(body.metadata))
    (change,) = await store.add([new], requests.caller(request))
    return schema.json({"change": change})


async def get(request: web.Request) -> web.Response:
    """`GET …/documents/{document}`: as it was put."""
    path = _path(request)
    try:
        found = await _store(request).document(path, requests.caller(request))
    except DaemonError as error:
        _not_found(error)
    body = _Body([_Text(text) for text in found.contents if text is not None])
    body.metadata = msgspec.Raw(found.metadata or b"null")
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def delete(request: web.Request) -> web.Response:
    """`DELETE …/documents/{document}`."""
    (removed,) = await _store(request).remove([_path(request)])
    return schema.json({"change": "removed" if removed else "unchanged"})


def _store(request: web.Request) -> DocumentStore:
    store = request.app[SERVICES].documents
    if store is None:
        raise DaemonError(
            ErrorKind.CSI_NOT_CONFIGURED,
            "This server has no embedded index to fill: the operator has to set "
            "DOCUMENT_INDEX_URL=embedded:PATH.",
        )
    return store


def _path(request: web.Request) -> DocumentPath:
    return DocumentPath(*(_name(request, one) for one in ("namespace", "collection", "document")))


def _name(request: web.Request, part: str) -> str:
    name = request.match_info[part]
    if len(name) > _LONGEST_NAME or _CONTROL.search(name) or name in {".", ".."}:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST,
            f"The {part} in the path must have at most {_LONGEST_NAME} characters, no control "
            "characters among them, and be neither `.` nor `..`.",
        )
    return name


def _limit(text: str | None) -> int:
    if text is None:
        return _MAX_NAMES
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= _MAX_NAMES:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST, f"The limit must be a number from 1 to {_MAX_NAMES}."
        )
    return int(text[:9])


def _not_found(error: DaemonError) -> NoReturn:
    """Here a path names what is not there; 422, as in the CSI, would say the body does."""
    if error.kind is not ErrorKind.CSI_NOT_FOUND:
        raise error
    raise DaemonError(ErrorKind.ROUTE_NOT_FOUND, error.detail) from error
