"""Skills of every world that was ever published, side by side; and those that are none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import component, exporting
from tests.conftest import Skills
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import put, saying, wanting
from tests.wat import components

VERSIONS = {"v02": "0.2.10", "v03": "0.3.11", "v04": "0.4.0", "v05": "0.5.0", "old": "0.3.2"}
STREAMS = {"stream03": "0.3.11", "stream04": "0.4.0", "stream05": "0.5.0"}
NOT_SERVED = {
    "core": ("not-a-component", "component"),
    "text": ("not-a-component", "component"),
    "stranger": ("no-supported-world", "pharia:skill"),
    "future": ("world-not-yet-supported", "not supported by this installation yet"),
    "past": ("world-no-longer-supported", "no longer supported"),
    "needy": ("missing-import", "acme:host/secrets"),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """All of them in one namespace."""
    root = tmp_path_factory.mktemp("worlds")
    needy = '(import "acme:host/secrets@1.0.0" (instance (export "get" (func))))'
    path = put(
        root / "skills",
        first=saying("first"),
        **{name: component(components.function(world)) for name, world in VERSIONS.items()},
        **{name: component(components.message_stream(world)) for name, world in STREAMS.items()},
        core=b"\0asm\x01\0\0\0",
        text=b"print('I am no WebAssembly')",
        stranger=exporting("acme:other/thing@1.0.0"),
        future=exporting("pharia:skill/skill-handler@0.9.0"),
        past=exporting("pharia:skill/skill-handler@0.1.0"),
        needy=component(components.function(imports=needy)),
    )
    with running(root) as daemon:
        daemon.write(wanting("first", *VERSIONS, *STREAMS, *NOT_SERVED, path=path))
        yield daemon.ready()


def test_the_first_world_takes_and_gives_text(daemon: Daemon) -> None:
    """It has no package version, and no JSON."""
    assert daemon.run("team/first", "hi").json() == "first"


@pytest.mark.parametrize("name", VERSIONS)
def test_functions_of_each_world_answer(daemon: Daemon, name: str) -> None:
    """And tell of themselves what their world knows."""
    told = daemon.get(f"/v1/skills/team/{name}/metadata").json()

    assert daemon.run(f"team/{name}", {"x": "ä"}).json() == {"x": "ä"}
    assert told["skill_type"] == "function"
    expected = None if name == "v02" else ".".join(VERSIONS[name].split(".")[:2])
    assert told["version"] == expected


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_each_world_answer(daemon: Daemon, name: str) -> None:
    """Reasoning came with 0.4."""
    script = "bae" if name == "stream03" else "brae"

    answer = daemon.request("POST", f"/v1/skills/team/{name}/message-stream", script)

    assert answer.status == 200
    assert b'data: {"type":"append","text":"a"}\n\n' in answer.body
    assert (b"event: reasoning\n" in answer.body) is (name != "stream03")
    assert b"event: error" not in answer.body


@pytest.mark.parametrize("name", NOT_SERVED)
def test_what_cannot_be_served_says_why(daemon: Daemon, name: str) -> None:
    """On the status and to its callers; the others are served."""
    code, words = NOT_SERVED[name]

    error = daemon.failing(f"team/{name}", code)
    refused = daemon.run(f"team/{name}", "hi")

    assert words in error["message"]
    assert refused.status == 503
    assert refused.json()["code"] == "skill-unservable"
    assert error["message"] in refused.json()["detail"]
    assert "retry-after" in refused.headers


def test_the_catalogue_tells_who_speaks_what(daemon: Daemon) -> None:
    """With the conditions of those that are not served."""
    entries = {one["name"]: one for one in daemon.get("/v1/catalogue").json()}

    assert entries["first"]["world"] == "unversioned"
    assert entries["v04"]["world"] == "0.4.0"
    assert entries["stream05"]["kind"] == "message_stream"
    for name in NOT_SERVED:
        assert entries[name]["status"] == "Stalled", name


@pytest.mark.real
@pytest.mark.timeout(300)
def test_python_skills_of_every_world_are_served(world_skill: Skills, tmp_path: Path) -> None:
    """Built with componentize-py against our WIT."""
    path = world_skill("first_world").parent
    linked = tmp_path / "skills"
    linked.mkdir()
    for name in ("first", "second", "fifth"):
        (linked / f"{name}.wasm").symlink_to(path / f"{name}_world.wasm")
    with running(tmp_path, PRECOMPILE="split") as daemon:
        daemon.write(wanting("first", "second", "fifth", path=linked))

        daemon.answers("team/first", "Hello you", to="you", within=200)
        for name in ("second", "fifth"):
            answer = {"text": "Hello you"}
            daemon.answers(f"team/{name}", answer, to={"topic": "you"}, within=200)
