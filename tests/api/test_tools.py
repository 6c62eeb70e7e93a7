from typing import Any

import pytest

from tests.api.conftest import Serve
from tests.api.statuses import catalogue


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/v1/tools/my-team",
            [{"name": "add", "description": "Add two numbers", "input_schema": {"type": "object"}}],
        ),
        ("/v1/mcp_servers/my-team", ["http://a.example", "http://b.example"]),
        ("/v1/mcp_servers/test-beta", []),
    ],
)
async def test_tools_and_servers_of_a_namespace(serve: Serve, path: str, expected: Any) -> None:
    """The built-in namespace has tools but no servers."""
    running = await serve(catalogue=catalogue())

    async with running.http.get(path) as answer:
        assert await answer.json() == expected


@pytest.mark.parametrize("path", ["/v1/tools/other", "/v1/mcp_servers/other"])
async def test_an_unknown_namespace_is_not_found(serve: Serve, path: str) -> None:
    """By its name."""
    running = await serve(catalogue=catalogue())

    async with running.http.get(path) as answer:
        assert answer.status == 404
        assert "'other' was not found" in (await answer.json(content_type=None))["detail"]
