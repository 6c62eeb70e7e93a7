"""Filters in SQL find the documents that a plain reading of the contract finds."""

import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.csi.interface import MetadataFilter, SearchFilter
from daemon.csi.search.embedded.filters import condition
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.errors import DaemonError, ErrorKind
from tests.csi.search.embedded.conftest import document, found

TIMES = ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-06-01T00:00:00.5Z"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, 1.0, 1.5]),
    st.sampled_from(["a", "1", *TIMES]),
)
INNER = st.one_of(LEAVES, st.dictionaries(st.sampled_from("ab"), LEAVES, max_size=2))
METADATA = st.dictionaries(
    st.sampled_from("ab"), st.one_of(INNER, st.lists(INNER, max_size=2)), max_size=2
)
PATHS = st.sampled_from(["a", "b", "a.a", "a.b", "a[]", "a[0]", "a[1]", "a[].b", "a[1].a", "c"])
NUMERIC = ["greater-than", "greater-than-or-equal-to", "less-than", "less-than-or-equal-to"]
TIMED = ["after", "at-or-after", "before", "at-or-before"]
CONDITIONS = st.one_of(
    st.builds(
        MetadataFilter, PATHS, st.sampled_from(NUMERIC), st.sampled_from([-1.0, 0.0, 1.0, 1.5])
    ),
    st.builds(MetadataFilter, PATHS, st.sampled_from(TIMED), st.sampled_from(TIMES)),
    st.builds(
        MetadataFilter,
        PATHS,
        st.just("equal-to"),
        st.sampled_from(["a", "1", 1, 0, True, False, TIMES[0]]),
    ),
    st.builds(MetadataFilter, PATHS, st.just("is-null")),
)
FILTERS = st.builds(
    SearchFilter,
    st.sampled_from(["without", "with-one-of", "with-all"]),
    st.lists(CONDITIONS, max_size=3),
)


def values(metadata: Any, path: str) -> list[Any]:
    """All values but null at *path*, read step by step."""
    level = [metadata]
    for step in re.findall(r"[^.\[\]]+(?![^\[]*\])|\[\d*\]", path):
        below: list[Any] = []
        for one in level:
            if step == "[]":
                below += one if isinstance(one, list) else []
            elif step[0] == "[":
                at = int(step[1:-1])
                below += one[at : at + 1] if isinstance(one, list) else []
            elif isinstance(one, dict) and step in one:
                below.append(one[step])
        level = below
    return [one for one in level if one is not None]


def order(comparison: str, left: Any, right: Any) -> bool:
    """Compare two numbers or two times."""
    return {
        "greater-than": left > right,
        "after": left > right,
        "greater-than-or-equal-to": left >= right,
        "at-or-after": left >= right,
        "less-than": left < right,
        "before": left < right,
        "less-than-or-equal-to": left <= right,
        "at-or-before": left <= right,
    }[comparison]


def holds(one: MetadataFilter, value: Any) -> bool:
    """Whether a value fulfils a condition."""
    if one.comparison in NUMERIC:
        return type(value) in {int, float} and order(one.comparison, value, one.value)
    if one.comparison in TIMED:
        assert isinstance(one.value, str)
        return value in TIMES and order(
            one.comparison, datetime.fromisoformat(value), datetime.fromisoformat(one.value)
        )
    same_type = isinstance(value, bool) == isinstance(one.value, bool)
    return same_type and not isinstance(value, dict | list) and bool(value == one.value)


def fulfils(metadata: Any, filters: list[SearchFilter]) -> bool:
    """Whether a document passes."""

    def met(one: MetadataFilter) -> bool:
        present = values(metadata, one.field)
        if one.comparison == "is-null":
            return not present
        return any(holds(one, value) for value in present)

    combine = {
        "with-all": all,
        "with-one-of": any,
        "without": lambda results: not any(results),
    }
    return all(combine[one.kind]([met(part) for part in one.conditions]) for one in filters)


@settings(max_examples=60, deadline=None)
@given(documents=st.lists(METADATA, min_size=1, max_size=8), filters=st.lists(FILTERS, max_size=2))
def test_filters_pass_what_the_contract_says(
    documents: list[Any], filters: list[SearchFilter], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For any metadata, any filters."""
    import asyncio

    async def run(directory: Path) -> set[str]:
        index = EmbeddedIndex(directory)
        await index.open()
        named = enumerate(documents)
        await index.add([document(str(n), "word", metadata=one) for n, one in named])
        names = await found(index, "word", filters=filters)
        await index.close()
        return set(names)

    expected = {str(n) for n, one in enumerate(documents) if fulfils(one, filters)}

    assert asyncio.run(run(tmp_path_factory.mktemp("index"))) == expected


@pytest.mark.parametrize(
    "one",
    [
        MetadataFilter("a", "after", "yesterday"),
        MetadataFilter("a", "after", 3),
        MetadataFilter("a", "less-than", "3"),
        MetadataFilter("a", "less-than", True),
        MetadataFilter("a", "equal-to", None),
        MetadataFilter("a", "equal-to", 10**400),
        MetadataFilter("a", "less-than", -(10**400)),
        MetadataFilter("a", "less-than", math.nan),
    ],
)
def test_values_of_the_wrong_type_are_refused(one: MetadataFilter) -> None:
    """With the field's name."""
    with pytest.raises(DaemonError, match="'a'") as caught:
        condition([SearchFilter("with-all", [one])], collection=1)

    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


def test_the_number_of_conditions_is_bounded() -> None:
    """Lest a statement grows without limit."""
    many = SearchFilter("with-all", [MetadataFilter("a", "is-null")] * 201)

    for filters in ([many], [SearchFilter("with-all", [])] * 201):
        with pytest.raises(DaemonError, match="more than 200"):
            condition(filters, collection=1)
