import pytest

from tests.api.conftest import Serve
from tests.api.statuses import catalogue
from tests.fakes_api import Kicks


async def test_everything_is_sorted(serve: Serve) -> None:
    """By namespace and name."""
    running = await serve(catalogue=catalogue())

    async with running.http.get("/v1/catalogue") as answer:
        assert [entry["name"] for entry in await answer.json()] == ["broken", "chat", "hello"]
    async with running.http.get("/v1/namespaces") as answer:
        assert [one["name"] for one in await answer.json()] == ["my-team"]


@pytest.mark.parametrize("path", ["/v1/skills", "/skills"])
async def test_skills_are_listed_by_type(serve: Serve, path: str) -> None:
    """Both paths are the same list."""
    running = await serve(catalogue=catalogue())

    async with running.http.get(path) as answer:
        assert await answer.json() == ["my-team/broken", "my-team/chat", "my-team/hello"]
    async with running.http.get(f"{path}?type=chat") as answer:
        assert await answer.json() == ["my-team/chat"]
    async with running.http.get(f"{path}?type=programmable") as answer:
        assert await answer.json() == ["my-team/broken", "my-team/hello"]


async def test_one_namespace_has_its_history(serve: Serve) -> None:
    """An unknown one is 404, an impossible one 400."""
    running = await serve(catalogue=catalogue())

    async with running.http.get("/v1/namespaces/my-team") as answer:
        assert (await answer.json())["history"][0]["action"] == "served"
    async with running.http.get("/v1/namespaces/other") as answer:
        assert answer.status == 404
        problem = await answer.json(content_type=None)
        assert (problem["code"], problem["namespace"]) == ("namespace-not-found", "other")
    async with running.http.get("/v1/namespaces/Other") as answer:
        assert answer.status == 400


async def test_a_reload_is_answered_at_once_with_200(serve: Serve) -> None:
    """202 would be retried for ever by git-sync."""
    kicks = Kicks()
    running = await serve(reload=kicks)

    async with running.http.post("/-/reload") as answer:
        assert answer.status == 200
    assert kicks.count == 1
