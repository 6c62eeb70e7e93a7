"""Which servers a namespace has, against real ones."""

from daemon.csi import interface as csi
from tests.csi.mcp.conftest import Open, Server, call, names


async def test_tools_are_listed_and_called(server: Server, open_servers: Open) -> None:
    """Also those without description."""
    servers = await open_servers(server(tools=["greet", "undescribed"]).url)
    assert await names(servers) == ["greet", "undescribed"]
    assert await call(servers, "greet", who="Ada") == csi.ToolOutput(["stub: hello Ada"])
