"""How search, documents and their metadata look over HTTP, in both directions."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from daemon.api.csi.body import Shape
from daemon.csi import interface as csi
from daemon.csi.interface.value import U32

Json = dict[str, Any]
_I64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Path(Shape, frozen=True):
    """Which document."""

    namespace: str
    collection: str
    name: str

    def request(self) -> csi.DocumentPath:
        """The same to the drivers."""
        return csi.DocumentPath(self.namespace, self.collection, self.name)


class Index(Shape, frozen=True):
    """Which index of which collection."""

    namespace: str
    collection: str
    index: str


class Condition(Shape, frozen=True):
    """One condition on one field; exactly one of the members beside `field` is given."""

    field: str
    greater_than: float | UnsetType = UNSET
    greater_than_or_equal_to: float | UnsetType = UNSET
    less_than: float | UnsetType = UNSET
    less_than_or_equal_to: float | UnsetType = UNSET
    after: str | UnsetType = UNSET
    at_or_after: str | UnsetType = UNSET
    before: str | UnsetType = UNSET
    at_or_before: str | UnsetType = UNSET
    equal_to: str | _I64 | bool | UnsetType = UNSET
    is_null: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len(self._given()) != 1:
            raise ValueError(f"Give one condition beside `field`: {', '.join(_CONDITIONS)}")
        if self.is_null is False:
            raise ValueError("`is_null` can only be true")

    def _given(self) -> list[str]:
        return [name for name in _CONDITIONS if getattr(self, name) is not UNSET]

    def filter(self) -> csi.MetadataFilter:
        """The same to the drivers."""
        name = self._given()[0]
        value = None if name == "is_null" else getattr(self, name)
        comparison: Any = name.replace("_", "-")
        return csi.MetadataFilter(self.field, comparison, value)


_CONDITIONS = Condition.__struct_fields__[1:]


class Conditioned(Shape, frozen=True):
    """What a filter is made of; only metadata by now."""

    metadata: Condition


class Filter(Shape, frozen=True):
    """An object with one member."""

    all_of: list[Conditioned] | UnsetType = msgspec.field(name="with", default=UNSET)
    with_one_of: list[Conditioned] | UnsetType = UNSET
    without: list[Conditioned] | UnsetType = UNSET

    def __post_init__(self) -> None:
        given = [one for one in (self.all_of, self.with_one_of, self.without) if one is not UNSET]
        if len(given) != 1:
            raise ValueError("A filter has one member: with, with_one_of or without")

    def filter(self) -> csi.SearchFilter:
        """The same to the drivers."""
        if not isinstance(self.all_of, UnsetType):
            return csi.SearchFilter("with-all", _filters(self.all_of))
        if not isinstance(self.with_one_of, UnsetType):
            return csi.SearchFilter("with-one-of", _filters(self.with_one_of))
        assert not isinstance(self.without, UnsetType)
        return csi.SearchFilter("without", _filters(self.without))


def _filters(conditions: list[Conditioned]) -> list[csi.MetadataFilter]:
    return [one.metadata.filter() for one in conditions]


class Search02(Shape, frozen=True, kw_only=True):
    """As in version 0.2 of the legacy interface."""

    query: str
    index_path: Index
    max_results: U32
    min_score: float | None = None

    def request(self) -> csi.SearchRequest:
        """The same to the drivers."""
        place = self.index_path
        path = csi.IndexPath(place.namespace, place.collection, place.index)
        return csi.SearchRequest(path, self.query, self.max_results, self.min_score)


class Search(Search02, frozen=True, kw_only=True):
    """Today's."""

    filters: list[Filter]

    def request(self) -> csi.SearchRequest:
        """The same to the drivers."""
        wanted = Search02.request(self)
        return msgspec.structs.replace(wanted, filters=[one.filter() for one in self.filters])


def found(_: Search, results: list[csi.SearchResult]) -> list[Json]:
    """The answer to a search."""
    return [_section(one) for one in results]


def _section(one: csi.SearchResult) -> Json:
    return {
        "document_path": path(one.document_path),
        "content": one.content,
        "score": one.score,
        "start": msgspec.structs.asdict(one.start),
        "end": msgspec.structs.asdict(one.end),
    }


def path(place: csi.DocumentPath) -> Json:
    """Which document."""
    return msgspec.structs.asdict(place)


def document(request: object, one: csi.Document) -> Json:
    """A document; of images only that they are there."""
    return {
        "path": path(one.path),
        "contents": [_content(text) for text in one.contents],
        "metadata": metadata(request, one.metadata),
    }


def _content(text: str | None) -> Json:
    return {"modality": "image"} if text is None else {"modality": "text", "text": text}


def metadata(_: object, text: csi.Json | None) -> object:
    """Any JSON value, as it is."""
    return None if text is None else msgspec.Raw(text)
