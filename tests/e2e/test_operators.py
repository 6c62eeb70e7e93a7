"""Namespaces that the operator configures: a watched directory, in place, at a URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.e2e.background import in_background
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import put, saying, wanting


def test_a_watched_directory_serves_what_is_built_into_it(tmp_path: Path) -> None:
    """For local development: no file names the Skills, no tag, no restart."""
    skills = put(tmp_path / "skills", one=saying("one"))
    (skills / "notes.txt").write_text("no Skill")
    settings = {"NAMESPACES__DEV__DIRECTORY": skills, "NAMESPACE_UPDATE_INTERVAL": "60s"}
    with running(tmp_path / "d", **settings) as daemon:
        daemon.answers("dev/one", "one")
        assert daemon.get("/v1/skills").json() == ["dev/one"]

        put(skills, two=saying("two"))
        daemon.answers("dev/two", "two", within=10)
        put(skills, one=saying("newer"))
        daemon.answers("dev/one", "newer", within=10)
        (skills / "one.wasm").unlink()
        daemon.eventually(lambda: daemon.run("dev/one", 1).status, lambda status: status == 404)

        assert daemon.status("dev")["owner"] == "operator"


def test_a_broken_build_does_not_replace_a_good_one(tmp_path: Path) -> None:
    """Half of a component is no component; the next build is served at once."""
    skills = put(tmp_path / "skills", one=saying("one"))
    with running(tmp_path / "d", NAMESPACES__DEV__DIRECTORY=skills) as daemon:
        daemon.answers("dev/one", "one")

        (skills / "one.wasm").write_bytes(saying("half")[:100])
        daemon.eventually(
            lambda: daemon.status("dev")["skills"][0]["error"], lambda error: error is not None
        )
        assert daemon.run("dev/one", "hi").json() == "one"

        put(skills, one=saying("whole"))
        daemon.answers("dev/one", "whole", within=20)


def test_in_place_namespaces_stand_in_the_settings(tmp_path: Path) -> None:
    """And win over a directory of the same name, which is reported."""
    skills = put(tmp_path / "skills", one=saying("one"), two=saying("two"))
    root = tmp_path / "d"
    root.mkdir()
    (root / "config.toml").write_text(
        f'[namespaces.team]\nskills = [{{ name = "one" }}]\npath = "{skills}"\n'
        'native-tools = ["add"]\n'
    )
    with running(root) as daemon:
        daemon.answers("team/one", "one")
        daemon.write(wanting("two", path=skills))

        status = daemon.eventually(lambda: daemon.status("team"), lambda s: s["problems"])

        assert "this name" in status["problems"][0]["message"]
        refused = daemon.run("team/two", "hi")
        assert (refused.status, refused.json()["code"]) == (503, "namespace-invalid")
        assert daemon.run("team/one", "hi").json() == "one"
        assert [tool["name"] for tool in daemon.get("/v1/tools/team").json()] == ["add"]


def test_a_mistake_in_the_settings_is_refused_at_the_start(tmp_path: Path) -> None:
    """Nothing was served yet, and the operator is looking."""
    daemon = Daemon(tmp_path, NAMESPACES__DEV__DIRECTROY="/skills")

    try:
        daemon.start()
    except AssertionError as error:
        assert "directory" in str(error) and "directroy" in str(error)
    else:
        daemon.stop()
        raise AssertionError("it started")
    assert daemon.process is not None and daemon.process.wait(10) != 0


@dataclass
class _ConfigServer:
    """Serves one namespace's file to those who know the token; fails as told."""

    text: str
    status: int = 200
    url: str = ""
    seen: list[str | None] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["_ConfigServer"]:
        app = web.Application()
        app.router.add_get("/team.toml", self._get)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/team.toml"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _get(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.Response(status=self.status)
        return web.Response(text=self.text)


def test_a_file_behind_a_url_is_fetched_with_its_token(tmp_path: Path) -> None:
    """Edits there are served; a failing or forbidding server withdraws nothing."""
    skills = put(tmp_path / "skills", one=saying("one"), two=saying("two"))
    with in_background(_ConfigServer(wanting("one")).running()) as server:
        token = tmp_path / "token"
        token.write_text("the-token\n")
        settings = {
            "NAMESPACES__TEAM__CONFIG_URL": server.url,
            "NAMESPACES__TEAM__CONFIG_ACCESS_TOKEN_FILE": token,
            "NAMESPACES__TEAM__PATH": skills,
            "NAMESPACE_UPDATE_INTERVAL": "300ms",
        }
        with running(tmp_path / "d", **settings) as daemon:
            daemon.answers("team/one", "one")
            assert set(server.seen) == {"Bearer the-token"}
            assert daemon.status("team")["source"] == server.url

            server.text = wanting("one", "two")
            daemon.answers("team/two", "two")

            server.status = 403
            ready = daemon.eventually(
                lambda: daemon.condition("team"), lambda one: one["status"] == "False"
            )
            assert "config-access-token" in ready["message"]
            assert daemon.run("team/two", "hi").json() == "two"
            assert "the-token" not in "\n".join(daemon.log)

            server.status, server.text = 200, wanting("two")
            daemon.eventually(lambda: daemon.run("team/one", 1).status, lambda s: s == 404)
            assert daemon.condition("team")["status"] == "True"


def test_a_file_url_is_read(tmp_path: Path) -> None:
    """As somebody's syncer keeps it."""
    skills = put(tmp_path / "skills", one=saying("one"), two=saying("two"))
    file = tmp_path / "team.toml"
    file.write_text(wanting("one", path=skills))
    settings = {
        "NAMESPACES__TEAM__CONFIG_URL": f"file://{file}",
        "NAMESPACE_UPDATE_INTERVAL": "300ms",
    }
    with running(tmp_path / "d", **settings) as daemon:
        daemon.answers("team/one", "one")

        file.write_text(wanting("two", path=skills))

        daemon.answers("team/two", "two")
        daemon.eventually(lambda: daemon.run("team/one", 1).status, lambda s: s == 404)
