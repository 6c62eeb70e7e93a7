"""A real Skill uses the tools of real MCP servers through a real daemon."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Skills
from tests.e2e.harness import running
from tests.e2e.skills import wanting
from tests.mcp_server import mcp_server


def test_a_skill_uses_the_tools_of_its_namespace(
    sdk_skill: Skills, primed: Callable[[Path], None], tmp_path: Path
) -> None:
    """Native ones and those of a server, which is restarted meanwhile, and dropped at last."""
    root = tmp_path / "daemon"
    primed(root)
    with mcp_server(tmp_path / "log", tools=["greet", "fail"], era="sessions") as server:
        more = f'native-tools = ["add"]\nmcp-servers = ["{server.url}"]\n'
        directory = sdk_skill("tools").parent
        with running(root) as daemon:
            daemon.write(wanting("tools", path=directory, more=more))
            everything = {"tools": ["add", "fail", "greet"], "result": []}
            daemon.answers("team/tools", everything, to={}, within=110)
            greeting = {"tool": "greet", "arguments": {"who": "Ada"}}
            assert daemon.run("team/tools", greeting).json()["result"] == ["stub: hello Ada"]
            server.kill()
            server.start(name="again")
            assert daemon.run("team/tools", greeting).json()["result"] == ["again: hello Ada"]
            assert len(server.asked("initialize")) == 2
            failing = daemon.run("team/tools", {"tool": "fail"})
            assert failing.status != 200
            assert "broken" in failing.body.decode()
            assert daemon.get("/v1/mcp_servers/team").json() == [server.url]
            daemon.write(wanting("tools", path=directory, more='native-tools = ["add"]\n'))
            daemon.answers("team/tools", {"tools": ["add"], "result": []}, to={}, within=20)
