"""What a Skill asks for and does not get ends it, and its caller hears whose fault it is."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Skills
from tests.e2e.csi_stage import HEADERS, Stage, events, served, stage
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import entry, wanting
from tests.inference_stub import Fault

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

SKILLS: dict[str, dict[str, object]] = {"csi": {}, "csi-stream": {}, "rogue": {}}
ANSWER = b'{"error": {"message": "no %s", "type": "t", "code": null}}'


@pytest.fixture(scope="module")
def skills(
    sdk_skill: Skills, world_skill: Skills, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A directory registry of what is called here."""
    skills = tmp_path_factory.mktemp("skills")
    (skills / "csi.wasm").symlink_to(sdk_skill("csi"))
    (skills / "csi-stream.wasm").symlink_to(sdk_skill("csi_stream"))
    (skills / "rogue.wasm").symlink_to(world_skill("rogue"))
    return skills


@pytest.fixture(scope="module")
def played(
    skills: Path, primed: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One daemon with all backends, and a namespace in a hurry that has no tools."""
    root = tmp_path_factory.mktemp("failures")
    with stage(root, skills=skills, primed=primed, names=SKILLS, PRECOMPILE="split") as made:
        hurried = [entry(name, timeout="2s") for name in ("csi", "csi-stream")]
        made.daemon.write(wanting(*hurried, path=skills), namespace="hurried")
        for name in ("csi", "csi-stream"):
            served(made.daemon, f"hurried/{name}")
        yield made


@pytest.fixture
def csi(played: Stage) -> Iterator[Stage]:
    """The same, well again after each test."""
    played.inference.gone.clear()
    yield played
    played.rest()
    played.idle()


def _fault(csi: Stage, fault: Fault) -> None:
    csi.inference.faults.extend([fault] * 8)  # more than there are attempts


@pytest.mark.parametrize(
    ("fault", "status", "code", "words"),
    [
        (Fault(status=400, body=ANSWER % b"such thing"), 422, "csi-bad-request", "no such thing"),
        (Fault(status=401, body=ANSWER % b"entry"), 403, "csi-unauthorized", ""),
        (Fault(status=500, body=ANSWER % b"luck"), 502, "csi-upstream", ""),
        (Fault(status=503, body=ANSWER % b"time"), 502, "csi-upstream", ""),
        (Fault(status=504, body=ANSWER % b"time"), 504, "csi-timeout", ""),
        (Fault(drop=True), 502, "csi-upstream", ""),
    ],
)
def test_failures_of_the_backend_keep_their_kind(
    csi: Stage, fault: Fault, status: int, code: str, words: str
) -> None:
    """The guest is ended, and the problem names it."""
    _fault(csi, fault)

    answer = csi.run("chat")

    problem = answer.json()
    assert (answer.status, problem["code"]) == (status, code), problem
    assert words in problem["detail"]
    assert (problem["namespace"], problem["skill"]) == ("team", "csi")


def test_a_limited_rate_tells_when_to_come_again(csi: Stage) -> None:
    """As the backend said it."""
    _fault(csi, Fault(status=429, headers={"Retry-After": "77"}, body=ANSWER % b"more"))

    answer = csi.run("chat")

    assert (answer.status, answer.json()["code"]) == (429, "csi-rate-limited")
    assert answer.headers["retry-after"] == "77"


@pytest.mark.parametrize("do", ["chat", "chat_stream", "complete", "completion_stream", "chunk"])
def test_an_unknown_model_is_the_callers_to_correct(csi: Stage, do: str) -> None:
    """Whatever it was asked for."""
    answer = csi.run(do, model="nobody")

    assert (answer.status, answer.json()["code"]) == (422, "csi-unknown-model")
    assert "nobody" in answer.json()["detail"]


def test_an_answer_that_is_none_is_the_backends_fault(csi: Stage) -> None:
    """Well-formed JSON of no shape that we know."""
    csi.inference.replies.append({"what": "is this"})

    answer = csi.run("chat")

    assert (answer.status, answer.json()["code"]) == (502, "csi-upstream")


def test_a_missing_document_is_told(csi: Stage) -> None:
    """Or one that the token may not see."""
    answer = csi.run("documents", name="lost")

    assert (answer.status, answer.json()["code"]) == (422, "csi-not-found")
    assert "no such collection, index or document" in answer.json()["detail"]


def test_the_first_failure_of_a_batch_fails_it(csi: Stage) -> None:
    """The others are cancelled."""
    csi.inference.faults.append(Fault(status=400, body=ANSWER % b"third"))

    answer = csi.run("chat_many", count=3)

    assert (answer.status, answer.json()["code"]) == (422, "csi-bad-request")


@pytest.mark.parametrize("skill", ["team/csi-stream", "hurried/csi-stream"])
def test_a_failure_in_a_stream_is_its_last_event(csi: Stage, skill: str) -> None:
    """With the same code; what was told before stays."""
    told = csi.stream("midway", skill=skill, model="nobody")

    assert [name for name, _ in told] == ["message", "message", "error"]
    assert told[-1][1]["code"] == "csi-unknown-model"
    assert "nobody" in told[-1][1]["message"]


@pytest.mark.parametrize("events_before", [0, 2])
def test_a_stream_of_the_backend_that_breaks_is_its_fault(csi: Stage, events_before: int) -> None:
    """At once or in the midst: what came is told first."""
    _fault(csi, Fault(events=events_before, then="cut"))

    told = csi.stream("forward_chat")

    assert told[-1][0] == "error"
    assert told[-1][1]["code"] == "csi-upstream"
    assert bool([data for name, data in told if name == "message"]) is bool(events_before)


# Nobody waits for nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["chat", "chat_many", "complete"])
def test_a_deadline_ends_the_request_to_the_backend(csi: Stage, do: str) -> None:
    """The Skill's time is up, though the backend has more."""
    _fault(csi, Fault(hang=True))

    answer = csi.run(do, skill="hurried/csi")

    assert (answer.status, answer.json()["code"]) in {
        (504, "deadline-exceeded"),
        (504, "csi-timeout"),
    }
    _upstream_is_left(csi)


def test_a_deadline_ends_the_stream_of_the_backend(csi: Stage) -> None:
    """In its midst."""
    csi.inference.faults.append(Fault(events=2, then="hang"))

    told = csi.stream("forward_chat", skill="hurried/csi-stream")

    assert told[-1][0] == "error"
    assert told[-1][1]["code"] in {"deadline-exceeded", "csi-timeout"}
    _upstream_is_left(csi)


@pytest.mark.parametrize("skill", ["csi/run", "csi-stream/message-stream"])
def test_a_stream_that_the_guest_drops_is_closed_while_it_goes_on(csi: Stage, skill: str) -> None:
    """The connection to the backend does not last as long as the call."""
    csi.inference.faults.append(Fault(events=2, then="hang"))
    do = "chat_drop" if skill == "csi/run" else "drop"

    answer = csi.daemon.request(
        "POST", f"/v1/skills/team/{skill}", {"do": do}, headers=HEADERS, timeout=30
    )

    assert answer.status == 200, answer.body
    _upstream_is_left(csi)


@pytest.mark.parametrize(
    ("route", "do"),
    [
        ("csi/run", "chat"),
        ("csi/run", "chat_stream"),
        ("csi-stream/message-stream", "forward_chat"),
    ],
)
def test_a_client_that_leaves_ends_the_request_to_the_backend(
    csi: Stage, route: str, do: str
) -> None:
    """Whether the guest waits for an answer or is in the midst of a stream."""
    streamed = do != "chat"
    _fault(csi, Fault(events=2, then="hang") if streamed else Fault(hang=True))
    with socket.create_connection(csi.daemon.address) as client:
        client.sendall(_post(f"/v1/skills/team/{route}", {"do": do}))
        csi.daemon.eventually(lambda: csi.inference.waiting, lambda waiting: waiting > 0)

    _upstream_is_left(csi)
    csi.idle()


def _upstream_is_left(csi: Stage) -> None:
    csi.daemon.eventually(csi.inference.gone.is_set, bool)
    csi.daemon.eventually(lambda: csi.inference.waiting, lambda waiting: waiting == 0)


def _post(path: str, body: Any) -> bytes:
    data = json.dumps(body).encode()
    fields = {"Host": "x", "Content-Type": "application/json", **HEADERS}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


# What is not there -------------------------------------------------------------------------------


def test_a_namespace_without_tools_has_none(csi: Stage) -> None:
    """Though the one beside it has some, and the same Skill."""
    assert csi.run("tools", skill="hurried/csi").json() == {"data": []}

    answer = csi.run("tools_many", skill="hurried/csi", name="add greet")

    first, second = (one["message"] for one in answer.json()["data"])
    assert "add was not found" in first
    assert "greet was not found" in second


def test_metadata_that_asks_its_host_is_refused(csi: Stage) -> None:
    """It has to be known before anybody calls."""
    answer = csi.daemon.get("/v1/skills/team/rogue/metadata")

    assert (answer.status, answer.json()["code"]) == (500, "csi-in-metadata")
    assert csi.daemon.run("team/rogue", {"fine": True}).json() == {"fine": True}


@pytest.fixture(scope="module")
def bare(
    skills: Path, primed: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon without any backend."""
    root = tmp_path_factory.mktemp("bare")
    primed(root)
    with running(root, PRECOMPILE="split") as daemon:
        daemon.write(wanting("csi", "csi-stream", path=skills))
        for name in ("csi", "csi-stream"):
            served(daemon, f"team/{name}")
        yield daemon


@pytest.mark.parametrize(
    ("do", "setting"),
    [
        ("chat", "OPENAI_INFERENCE__URL"),
        ("chat_stream", "OPENAI_INFERENCE__URL"),
        ("complete", "INFERENCE_URL"),
        ("explain", "INFERENCE_URL"),
        ("chunk", "tokenizers"),
        ("search", "DOCUMENT_INDEX_URL"),
        ("documents", "DOCUMENT_INDEX_URL"),
    ],
)
def test_what_is_not_configured_says_what_to_set(bare: Daemon, do: str, setting: str) -> None:
    """To the operator, by way of who called."""
    answer = bare.run("team/csi", {"do": do})

    assert (answer.status, answer.json()["code"]) == (503, "csi-not-configured")
    assert setting in answer.json()["detail"]


def test_what_needs_no_backend_works_without(bare: Daemon) -> None:
    """Languages, and an empty list of tools; a stream that needs one says so."""
    assert bare.run("team/csi", {"do": "language"}).status == 200
    assert bare.run("team/csi", {"do": "tools"}).json() == {"data": []}
    path = "/v1/skills/team/csi-stream/message-stream"
    ((name, error),) = events(bare.request("POST", path, {"do": "forward_chat"}).body)
    assert (name, error["code"]) == ("error", "csi-not-configured")
