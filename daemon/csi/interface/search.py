"""
What is asked of collections of documents, and what is found. Pure.

Leaves out where they are kept: `csi/search` knows.
"""

from typing import Literal

from daemon.csi.interface.value import Json, Value


class IndexPath(Value, frozen=True):
    """Which index of which collection."""

    namespace: str
    collection: str
    index: str


class DocumentPath(Value, frozen=True):
    """Which document of which collection."""

    namespace: str
    collection: str
    name: str


class TextCursor(Value, frozen=True):
    """A place in a document: which item, which character in it. Both inclusive."""

    item: int
    position: int


Comparison = Literal[
    "greater-than",
    "greater-than-or-equal-to",
    "less-than",
    "less-than-or-equal-to",
    "after",
    "at-or-after",
    "before",
    "at-or-before",
    "equal-to",
    "is-null",
]


class MetadataFilter(Value, frozen=True):
    """
    One condition on one metadata field.

    `value` is a float for the four inequalities, an RFC 3339 text for the four times, str, int
    or bool for `equal-to`, and None for `is-null`.
    """

    field: str
    comparison: Comparison
    value: str | int | float | bool | None = None


class SearchFilter(Value, frozen=True):
    """A combination of conditions: none of them, one or more, or all."""

    kind: Literal["without", "with-one-of", "with-all"]
    conditions: list[MetadataFilter]


class SearchRequest(Value, frozen=True):
    """Find the sections nearest to `query`."""

    index_path: IndexPath
    query: str
    max_results: int
    min_score: float | None = None
    filters: list[SearchFilter] = []


class SearchResult(Value, frozen=True):
    """A section and where it stands."""

    document_path: DocumentPath
    content: str
    score: float
    start: TextCursor
    end: TextCursor


class Document(Value, frozen=True):
    """A document. Each content is a text, or None for an image (its bytes are not passed on)."""

    path: DocumentPath
    contents: list[str | None]
    metadata: Json | None = None
