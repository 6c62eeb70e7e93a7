"""Real Skills, built with the public SDK, that try what a Skill must not."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Skills
from tests.e2e.hammer import Hammer
from tests.e2e.harness import Answer, Daemon, running
from tests.e2e.skills import entry, wanting

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def daemon(
    sdk_skill: Skills, primed: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon with secrets in its environment, and the Skills of `tests/skills_sdk`."""
    root = tmp_path_factory.mktemp("python")
    primed(root)
    settings = {"PRECOMPILE": "split", "SECRET_OF_OPERATOR": "hush", "SKILL_OUTPUT": "4MiB"}
    with running(root, **settings) as daemon:
        daemon.write(
            wanting(
                entry("poison", memory="128MiB"),
                *("hello", "stream", "tools", "haiku"),
                path=sdk_skill("hello").parent,
                more='native-tools = ["add", "subtract"]\n',
            )
        )
        hurried = wanting(entry("poison", timeout="2s"), path=sdk_skill("hello").parent)
        daemon.write(hurried, namespace="hurried")
        for name in ("poison", "hello", "stream", "tools", "haiku"):
            path = f"/v1/skills/team/{name}/metadata"
            daemon.eventually(
                lambda path=path: daemon.get(path).status, lambda status: status == 200, within=120
            )
        daemon.answers("hurried/poison", {"data": 1}, to={"do": "count"})
        yield daemon
        assert _hello(daemon) == {"text": "Hello you"}


@pytest.fixture
def beside(daemon: Daemon) -> Iterator[Hammer]:
    """A Skill that is called all the while, and must not notice."""
    with Hammer(daemon, "team/hello", {"topic": "you"}, clients=1) as hammer:
        yield hammer
    assert hammer.failures == []
    assert hammer.calls > 0


def test_no_way_leads_to_files(daemon: Daemon) -> None:
    """Neither to look, nor to read, nor to write."""
    tried = _do(daemon, "files")

    assert set(tried) == {"list_root", "read", "write"}
    assert not [result for result in tried.values() if result.startswith("done")]


def test_no_way_leads_to_the_network(daemon: Daemon) -> None:
    """Not even to a port of this machine that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tried = _do(daemon, "network", size=listening.getsockname()[1])

    assert set(tried) == {"connect", "resolve"}
    assert not [result for result in tried.values() if result.startswith("done")]


def test_the_environment_is_empty(daemon: Daemon) -> None:
    """The operator's secrets stand in the daemon's."""
    told = _do(daemon, "environment")

    assert "hush" not in str(told)
    assert "PATH" not in told["environ"]


def test_no_state_leaks_from_call_to_call(daemon: Daemon) -> None:
    """Each call has an instance of its own, a warm one too."""
    assert [_do(daemon, "count") for _ in range(12)] == [1] * 12


def test_what_a_skill_prints_goes_nowhere(daemon: Daemon) -> None:
    """And is no output."""
    assert _do(daemon, "print_much", size=100_000) is None
    assert not [line for line in daemon.log if "xxxx" in line]


@pytest.mark.parametrize(
    ("deed", "status", "code"),
    [
        ({"do": "memory", "size": 1000}, 400, "skill-failed"),
        ({"do": "output", "size": 5 << 20}, 500, "output-too-large"),
        ({"do": "leave", "size": 3}, 500, "skill-trapped"),
        ({"do": "abort"}, 500, "skill-trapped"),
        ({"do": "fail", "data": "on purpose"}, 400, "skill-failed"),
        ({"no": "deed"}, 422, "invalid-input"),
    ],
)
def test_each_misdeed_has_its_status(
    daemon: Daemon, beside: Hammer, deed: dict[str, Any], status: int, code: str
) -> None:
    """Python turns some into errors of its own."""
    answer = daemon.run("team/poison", deed)

    assert (answer.status, answer.json()["code"]) == (status, code), answer.body


def test_recursion_without_end_is_ended(daemon: Daemon, beside: Hammer) -> None:
    """
    CPython recurses on its heap: it raises at the end of it, or aborts.

    Which of both depends on the cap and on the layout of the very build, not on the run.
    """
    answer = daemon.run("team/poison", {"do": "recursion"})

    ends = {(500, "skill-trapped"), (400, "skill-failed")}
    assert (answer.status, answer.json()["code"]) in ends, answer.body


@pytest.mark.parametrize("deed", [{"do": "loop"}, {"do": "sleep", "size": 3600}])
def test_time_is_limited(daemon: Daemon, beside: Hammer, deed: dict[str, Any]) -> None:
    """Computing or sleeping."""
    answer = daemon.run("hurried/poison", deed)

    assert (answer.status, answer.json()["code"]) == (504, "deadline-exceeded")


def test_a_large_input_comes_back(daemon: Daemon) -> None:
    """A MiB of text, also beyond ASCII."""
    data = "ä€🎉" * 120_000

    assert _do(daemon, "echo", data=data) == data


def test_tools_are_those_of_the_namespace(daemon: Daemon) -> None:
    """The Skill lists and calls them, with no backend at all."""
    listed = daemon.run("team/tools", {}).json()
    called = daemon.run("team/tools", {"tool": "add", "arguments": {"a": 1, "b": 2}}).json()

    assert sorted(listed["tools"]) == ["add", "subtract"]
    assert called["result"] == ["3"]


def test_metadata_tells_the_schemas(daemon: Daemon) -> None:
    """As the SDK derives them."""
    told = daemon.get("/v1/skills/team/tools/metadata").json()

    assert told["description"].startswith("Uses a tool.")
    assert told["skill_type"] == "function"
    assert told["input_schema"]["properties"]["tool"]["description"]
    assert set(told["output_schema"]["properties"]) == {"tools", "result"}


def test_a_backend_that_is_not_configured_is_named(daemon: Daemon) -> None:
    """The Skill ends, and its caller learns what the operator has to set."""
    answer = daemon.run("team/haiku", {"topic": "autumn"})

    assert (answer.status, answer.json()["code"]) == (503, "csi-not-configured")


def test_a_stream_tells_letter_by_letter(daemon: Daemon) -> None:
    """The exact bytes of the contract."""
    answer = daemon.request("POST", "/v1/skills/team/stream/message-stream", {"topic": "ab"})

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body == (
        b'event: message\ndata: {"type":"begin"}\n\n'
        b'event: message\ndata: {"type":"append","text":"a"}\n\n'
        b'event: message\ndata: {"type":"append","text":"b"}\n\n'
        b'event: message\ndata: {"type":"end","payload":{"letters":2}}\n\n'
    )


def _do(daemon: Daemon, deed: str, **more: Any) -> Any:
    answer = daemon.run("team/poison", {"do": deed, **more})
    assert answer.status == 200, answer.body
    return answer.json()["data"]


def _hello(daemon: Daemon) -> Any:
    answer: Answer = daemon.run("team/hello", {"topic": "you"})
    return answer.json()
