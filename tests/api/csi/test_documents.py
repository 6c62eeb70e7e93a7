"""Search and documents: their JSON, to the letter."""

from typing import Any

import msgspec
import pytest

from daemon.api.csi import documents
from daemon.csi import interface as csi

SEARCH = {
    "query": "q",
    "index_path": {"namespace": "n", "collection": "c", "index": "i"},
    "max_results": 3,
    "filters": [],
}
PLACE = csi.DocumentPath("n", "c", "d")


def search(**changes: Any) -> csi.SearchRequest:
    """What the drivers hear."""
    return msgspec.convert(SEARCH | changes, documents.Search).request()


def conditioned(**condition: Any) -> list[csi.SearchFilter]:
    """The filters that the drivers hear."""
    return search(filters=[{"with": [{"metadata": {"field": "f", **condition}}]}]).filters


def test_a_search_reaches_the_driver() -> None:
    """With its least score."""
    path = csi.IndexPath("n", "c", "i")

    assert search() == csi.SearchRequest(path, "q", 3)
    assert search(min_score=0.5) == csi.SearchRequest(path, "q", 3, 0.5)


def test_filters_are_required() -> None:
    """An empty list will do."""
    with pytest.raises(msgspec.ValidationError, match="filters"):
        msgspec.convert({k: v for k, v in SEARCH.items() if k != "filters"}, documents.Search)


@pytest.mark.parametrize(
    ("member", "kind"),
    [("with", "with-all"), ("with_one_of", "with-one-of"), ("without", "without")],
)
def test_a_filter_has_one_of_three_kinds(member: str, kind: Any) -> None:
    """Named by its one member."""
    condition = {"metadata": {"field": "f", "equal_to": "x"}}

    (heard,) = search(filters=[{member: [condition, condition]}]).filters

    assert heard == csi.SearchFilter(kind, [csi.MetadataFilter("f", "equal-to", "x")] * 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("greater_than", 1.5),
        ("greater_than_or_equal_to", 1.5),
        ("less_than", 1.5),
        ("less_than_or_equal_to", 1.5),
        ("after", "2026-01-31T12:00:00Z"),
        ("at_or_after", "soon"),
        ("before", "x"),
        ("at_or_before", "x"),
        ("equal_to", "x"),
        ("equal_to", -(2**63)),
        ("equal_to", True),
    ],
)
def test_a_condition_stands_beside_its_field(name: str, value: Any) -> None:
    """With a value of its type."""
    (heard,) = conditioned(**{name: value})

    (condition,) = heard.conditions
    assert condition == csi.MetadataFilter("f", name.replace("_", "-"), value)
    assert type(condition.value) is type(value)


def test_is_null_has_no_value() -> None:
    """It is true, or not there."""
    assert conditioned(is_null=True)[0].conditions == [csi.MetadataFilter("f", "is-null")]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({}, "one condition beside `field`"),
        ({"after": "x", "before": "y"}, "one condition beside `field`"),
        ({"is_null": False}, "can only be true"),
        ({"equal_to": 1.5}, "equal_to"),
        ({"equal_to": 2**63}, "equal_to"),
        ({"less_than": "x"}, "less_than"),
    ],
)
def test_other_conditions_are_refused_at_their_place(condition: Any, said: str) -> None:
    """With what would be right."""
    with pytest.raises(msgspec.ValidationError, match=said) as raised:
        conditioned(**condition)

    assert "at `$.filters[0].with[0].metadata" in str(raised.value)


@pytest.mark.parametrize("sent", [{}, {"with": [], "without": []}])
def test_other_filters_are_refused(sent: Any) -> None:
    """None of the three, or two of them."""
    with pytest.raises(msgspec.ValidationError, match="with, with_one_of or without"):
        search(filters=[sent])


def test_a_result_has_its_place() -> None:
    """In the order of the contract."""
    result = csi.SearchResult(PLACE, "text", 0.5, csi.TextCursor(0, 1), csi.TextCursor(2, 3))
    request = msgspec.convert(SEARCH, documents.Search)

    assert msgspec.json.encode(documents.found(request, [result])).decode() == (
        '[{"document_path":{"namespace":"n","collection":"c","name":"d"},"content":"text",'
        '"score":0.5,"start":{"item":0,"position":1},"end":{"item":2,"position":3}}]'
    )


@pytest.mark.parametrize(("metadata", "shown"), [(b'{"a": 1}', '{"a": 1}'), (None, "null")])
def test_a_document_tells_of_images_only_that_they_are_there(
    metadata: bytes | None, shown: str
) -> None:
    """Metadata are as they are."""
    request = msgspec.convert({"namespace": "n", "collection": "c", "name": "d"}, documents.Path)
    assert request.request() == PLACE

    told = documents.document(request, csi.Document(PLACE, ["t", None], metadata))

    assert msgspec.json.encode(told).decode() == (
        '{"path":{"namespace":"n","collection":"c","name":"d"},'
        '"contents":[{"modality":"text","text":"t"},{"modality":"image"}],'
        f'"metadata":{shown}}}'
    )
