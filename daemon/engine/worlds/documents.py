"""What all worlds since 0.2 share of the document index, and `document-index` as of 0.3."""

from typing import Any

from daemon.csi import interface as csi
from daemon.engine.wit import (
    BOOL,
    BYTES,
    F64,
    S64,
    STRING,
    U32,
    List,
    Option,
    Variant,
    record,
    struct,
    variant,
)
from daemon.engine.worlds.hostcall import HostFunction, function, items

INDEX_PATH = struct(csi.IndexPath, namespace=STRING, collection=STRING, index=STRING)
DOCUMENT_PATH = struct(csi.DocumentPath, namespace=STRING, collection=STRING, name=STRING)


def _content(content: str | None) -> tuple[str, Any]:
    return ("image", None) if content is None else ("text", content)


_MODALITY = Variant((("text", STRING), ("image", None)), take=_content)
DOCUMENT = struct(
    csi.Document, path=DOCUMENT_PATH, contents=List(_MODALITY), metadata=Option(BYTES)
)

_CURSOR = struct(csi.TextCursor, item=U32, position=U32)
_RESULT = struct(
    csi.SearchResult,
    document_path=DOCUMENT_PATH,
    content=STRING,
    score=F64,
    start=_CURSOR,
    end=_CURSOR,
)
_VALUE = variant(string_type=STRING, integer_type=S64, boolean_type=BOOL)
_CONDITION = variant(
    greater_than=F64,
    greater_than_or_equal_to=F64,
    less_than=F64,
    less_than_or_equal_to=F64,
    after=STRING,
    at_or_after=STRING,
    before=STRING,
    at_or_before=STRING,
    equal_to=_VALUE,
    is_null=None,
)
_CONDITIONS = List(record(field=STRING, condition=_CONDITION))


def _filter(kind: Any, conditions: list[tuple[str, tuple[Any, Any]]]) -> csi.SearchFilter:
    return csi.SearchFilter(
        kind,
        [
            csi.MetadataFilter(field, comparison, value[1] if comparison == "equal-to" else value)
            for field, (comparison, value) in conditions
        ],
    )


_FILTER = Variant(
    (("without", _CONDITIONS), ("with-one-of", _CONDITIONS), ("with-all", _CONDITIONS)),
    make=_filter,
)
_REQUEST = struct(
    csi.SearchRequest,
    index_path=INDEX_PATH,
    query=STRING,
    max_results=U32,
    min_score=Option(F64),
    filters=List(_FILTER),
)

FUNCTIONS: tuple[HostFunction, ...] = (
    function("search", List(_REQUEST), result=List(List(_RESULT)), ask=csi.Search, answer=items),
    function(
        "documents",
        List(DOCUMENT_PATH),
        result=List(DOCUMENT),
        ask=csi.Documents,
        answer=items,
    ),
    function(
        "document-metadata",
        List(DOCUMENT_PATH),
        result=List(Option(BYTES)),
        ask=csi.DocumentMetadata,
        answer=items,
    ),
)
