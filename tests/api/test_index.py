"""Filling the embedded index over HTTP."""

import pytest
from yarl import URL

from tests.api.conftest import Serve
from tests.fakes_api import TokenList

PLACE = "/v1/index/library/letters/documents"
LETTER = {"contents": [{"text": "Dear Mr Babbage", "modality": "text"}], "metadata": {"by": "Ada"}}


async def test_a_document_comes_back_until_it_is_deleted(serve: Serve) -> None:
    """Slashes in names are written as %2F."""
    running = await serve()
    url = URL(f"{running.url}{PLACE}/1842%2Fmay", encoded=True)

    async with running.http.put(url, json=LETTER) as answer:
        assert (answer.status, await answer.json()) == (200, {"change": "added"})
    async with running.http.get(url) as answer:
        assert await answer.json() == LETTER
    async with running.http.get(PLACE) as answer:
        assert await answer.json() == ["1842/may"]
    async with running.http.get("/v1/index") as answer:
        assert (await answer.json())[0]["documents"] == 1
    async with running.http.delete(url) as answer:
        assert await answer.json() == {"change": "removed"}
    async with running.http.delete(url) as answer:
        assert await answer.json() == {"change": "unchanged"}
    async with running.http.get(url) as answer:
        assert answer.status == 404


async def test_names_come_in_pages(serve: Serve) -> None:
    """With `after` and `limit`."""
    running = await serve()
    for name in "abc":
        await running.http.put(f"{PLACE}/{name}", json=LETTER)

    async with running.http.get(PLACE, params={"after": "a", "limit": "1"}) as answer:
        assert await answer.json() == ["b"]
    for limit in ("0", "1001", "x", "-1"):
        async with running.http.get(PLACE, params={"limit": limit}) as answer:
            assert answer.status == 400


@pytest.mark.parametrize("name", ["a%0Ab", "%C2%85", "x" * 256, "%2E%2E"])
async def test_a_name_that_no_document_has_is_refused(serve: Serve, name: str) -> None:
    """By every route, with what a name may be."""
    running = await serve()
    url = URL(f"{running.url}{PLACE}/{name}", encoded=True)

    for method in ("PUT", "GET", "DELETE"):
        async with running.http.request(method, url, json=LETTER) as answer:
            assert answer.status == 400
            assert "control characters" in (await answer.json())["detail"]


async def test_a_body_of_another_shape_is_refused(serve: Serve) -> None:
    """With what is wrong."""
    running = await serve()

    for body in ({}, {"contents": "text"}, {"contents": [{"modality": "image"}]}):
        async with running.http.put(f"{PLACE}/a", json=body) as answer:
            assert 400 <= answer.status < 500
            assert "contents" in (await answer.json())["detail"]


async def test_without_an_embedded_index_the_way_to_one_is_told(serve: Serve) -> None:
    """On every route."""
    running = await serve(documents=None)

    for method, path in (("GET", "/v1/index"), ("GET", PLACE), ("DELETE", f"{PLACE}/a")):
        async with running.http.request(method, path) as answer:
            assert answer.status == 503
            assert "embedded:PATH" in (await answer.json())["detail"]


async def test_a_token_is_needed_as_elsewhere(serve: Serve) -> None:
    """The same bearer rules."""
    running = await serve(authorizer=TokenList("good"))

    async with running.http.put(f"{PLACE}/a", json=LETTER) as answer:
        assert answer.status == 401
