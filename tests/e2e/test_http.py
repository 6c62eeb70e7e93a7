"""The HTTP API of a real daemon, byte by byte where the contract says so."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.background import in_background
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import entry, put, rogue, saying, streamer, wanting
from tests.iam_stub import IamStub

LIMIT = 50 << 20


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A function, a stream, a chat Skill and tools."""
    root = tmp_path_factory.mktemp("http")
    path = put(root / "skills", greet=saying("hello"), echo=rogue(), stream=streamer())
    chat = entry("talk", type="chat", version="1", model="m", system_prompt="be kind")
    with running(root) as daemon:
        daemon.write(
            wanting("greet", "echo", "stream", chat, path=path, more='native-tools = ["add"]\n')
        )
        yield daemon.ready()


def test_skills_are_listed_sorted(daemon: Daemon) -> None:
    """On both paths, by type as well; those of `test-beta` are not listed."""
    every = ["team/echo", "team/greet", "team/stream", "team/talk"]

    assert daemon.get("/v1/skills").json() == daemon.get("/skills").json() == every
    assert daemon.get("/v1/skills?type=chat").json() == ["team/talk"]
    assert daemon.get("/v1/skills?type=programmable").json() == every[:-1]
    assert daemon.get("/v1/skills?type=other").status == 400


def test_the_catalogue_tells_all_of_a_skill(daemon: Daemon) -> None:
    """What answers, since when, from which component."""
    entries = {one["name"]: one for one in daemon.get("/v1/catalogue").json()}

    assert sorted(entries) == ["echo", "greet", "stream", "talk"]
    assert entries["echo"]["digest"].startswith("sha256:")
    assert entries["echo"]["status"] == "Ready"
    assert entries["talk"]["type"] == "chat"


def test_namespaces_have_conditions_and_history(daemon: Daemon) -> None:
    """In Flux's words."""
    (listed,) = daemon.get("/v1/namespaces").json()
    told = daemon.status("team")

    assert listed["name"] == "team"
    assert {one["type"] for one in told["conditions"]} == {"Ready", "Reconciling", "Stalled"}
    assert {one["skill"] for one in told["history"]} == {"echo", "greet", "stream", "talk"}
    assert daemon.get("/v1/namespaces/nobody").json()["code"] == "namespace-not-found"


def test_tools_of_a_namespace(daemon: Daemon) -> None:
    """Those that it enables, with their schemas."""
    (tool,) = daemon.get("/v1/tools/team").json()

    assert tool["name"] == "add"
    assert tool["input_schema"]["type"] == "object"
    assert daemon.get("/v1/tools/nobody").status == 404


def test_cached_skills_are_listed_and_built_anew(daemon: Daemon) -> None:
    """The present build answers meanwhile."""
    assert "team/echo" in daemon.get("/cached_skills").json()
    assert daemon.request("DELETE", "/cached_skills/team/echo").status == 200
    assert daemon.run("team/echo", 1).json() == 1
    assert daemon.request("DELETE", "/cached_skills/team/nobody").status == 200


def test_the_built_in_skills(daemon: Daemon) -> None:
    """`test-beta` needs no configuration."""
    hello = daemon.request("POST", "/v1/skills/test-beta/hello/message-stream", {})
    saboteur = daemon.request("POST", "/v1/skills/test-beta/saboteur/message-stream", {})
    caller = daemon.request("POST", "/v1/skills/test-beta/tool_caller/message-stream", {})

    assert hello.body == b"".join(
        [
            b'event: message\ndata: {"type":"begin"}\n\n',
            *(
                b'event: message\ndata: {"type":"append","text":"%c"}\n\n' % letter
                for letter in b"Hello"
            ),
            b'event: message\ndata: {"type":"end","payload":null}\n\n',
        ]
    )
    assert saboteur.body.startswith(b"event: error\n")
    assert b"Skill is a saboteur" in saboteur.body
    assert caller.body.startswith(
        b'event: tool\ndata: {"type":"begin","name":"add"}\n\n'
        b'event: tool\ndata: {"type":"end","name":"add"}\n\n'
    )
    assert b"The result of calling the add tool for a=1 and b=2 is: 3" in caller.body


def test_a_stream_in_exact_bytes(daemon: Daemon) -> None:
    """With payload, headers, and no compression."""
    answer = daemon.request(
        "POST",
        "/v1/skills/team/stream/message-stream",
        "brap",
        headers={"Accept-Encoding": "gzip"},
    )

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in answer.headers
    assert answer.body == (
        b'event: message\ndata: {"type":"begin"}\n\n'
        b'event: reasoning\ndata: {"type":"reasoning","text":"r"}\n\n'
        b'event: message\ndata: {"type":"append","text":"a"}\n\n'
        b'event: message\ndata: {"type":"end","payload":1}\n\n'
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/skills/team/nobody/run", 1, 404, "skill-not-found"),
        ("POST", "/v1/skills/nobody/greet/run", 1, 404, "namespace-not-found"),
        ("POST", "/v1/skills/Team/greet/run", 1, 400, "malformed-request"),
        ("POST", "/v1/skills/team/stream/run", 1, 409, "skill-is-stream"),
        ("POST", "/v1/skills/team/echo/message-stream", 1, 409, "skill-is-function"),
        ("POST", "/v1/skills/team/echo/run", b"{", 400, "malformed-request"),
        ("POST", "/v1/skills/team/echo/run", b"", 400, "malformed-request"),
        ("POST", "/v1/skills/team/echo/run", b'"\xff"', 400, "malformed-request"),
        ("POST", "/v1/skills/team/echo/run", b"[" * 100_000, 400, "malformed-request"),
        ("GET", "/v1/skills/team/echo/run", None, 405, "method-not-allowed"),
        ("GET", "/nowhere", None, 404, "route-not-found"),
    ],
)
def test_mistakes_have_problem_documents(
    daemon: Daemon, method: str, path: str, body: object, status: int, code: str
) -> None:
    """With type, code, title, status and detail."""
    answer = daemon.request(method, path, body)

    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= answer.json().keys()


def test_whoever_wants_text_gets_text(daemon: Daemon) -> None:
    """The detail alone."""
    headers = {"Accept": "text/plain"}
    answer = daemon.request("POST", "/v1/skills/team/nobody/run", 1, headers=headers)

    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert "could not find the skill you requested" in answer.body.decode()


def test_a_body_has_to_say_that_it_is_json(daemon: Daemon) -> None:
    """Any JSON type will do."""
    for kind, status in (("text/plain", 415), ("application/x+json; charset=utf-8", 200)):
        answer = daemon.run("team/echo", b"1", headers={"Content-Type": kind})
        assert answer.status == status


def test_compressed_bodies_both_ways(daemon: Daemon) -> None:
    """For clients that ask for it, and those that send it."""
    text = json.dumps({"x": "y" * 100_000}).encode()
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}

    answer = daemon.run("team/echo", gzip.compress(text), headers=headers)

    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 10_000
    assert gzip.decompress(answer.body) == text


def test_a_body_may_have_50_mib_and_no_byte_more(daemon: Daemon) -> None:
    """The Skill that gets it ignores it."""
    largest = b'"' + b"x" * (LIMIT - 2) + b'"'

    taken = daemon.run("test-beta/hello", largest)
    refused = daemon.run("test-beta/hello", largest + b" ")
    bomb = daemon.run(
        "test-beta/hello", gzip.compress(largest + b" "), headers={"Content-Encoding": "gzip"}
    )

    assert taken.status == 400 and taken.json()["code"] == "skill-failed"
    assert (refused.status, bomb.status) == (413, 413)
    assert refused.json()["code"] == "payload-too-large"
    assert daemon.run("team/greet", 1).json() == "hello"


def test_a_wasm_skill_is_given_50_mib(daemon: Daemon) -> None:
    """All the way to the guest, or a clear error that it can't take so much."""
    largest = b'"' + b"x" * (LIMIT - 2) + b'"'

    answer = daemon.run("team/greet", largest)

    assert answer.status in {200, 500}, answer.body
    assert daemon.run("team/greet", 1).json() == "hello"


def test_documents_and_probes_are_open(daemon: Daemon) -> None:
    """WIT, OpenAPI, health, and pages for people."""
    assert daemon.get("/health").body == b"ok"
    assert daemon.get("/livez").status == daemon.get("/readyz").status == 200
    assert b"package pharia:skill@0.5.0" in daemon.get("/skill.wit").body
    for version in ("0.2.10", "0.3.11", "0.4.0", "0.5.0"):
        assert f"pharia:skill@{version}".encode() in daemon.get(f"/wit/{version}").body
    assert daemon.get("/openapi.json").json()["openapi"].startswith("3.")
    assert b"\nopenapi: 3." in daemon.get("/openapi.yaml").body
    for page in ("/", "/api-docs"):
        assert daemon.get(page).headers["content-type"].startswith("text/html")
    assert b"http" not in daemon.get("/api-docs").body.replace(b"http-equiv", b"").lower()


def test_a_client_that_sends_rubbish_harms_nobody(daemon: Daemon) -> None:
    """Nor one that sends half of a request and leaves."""
    for rubbish in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1",
    ):
        with socket.create_connection(daemon.address) as client:
            client.sendall(rubbish)

    assert daemon.run("team/greet", 1).json() == "hello"


def test_authorization_is_asked_of_the_identity_service(tmp_path: Path) -> None:
    """401 without a token, 403 with a wrong one; probes and documents stay open."""
    path = put(tmp_path / "skills", greet=saying("hello"))
    iam = IamStub(tokens={"good": ["KernelAccess"], "poor": []})
    with (
        in_background(iam) as stub,
        running(tmp_path / "d", AUTHORIZATION_URL=stub.url, AUTHORIZATION_CACHE="1ms") as daemon,
    ):
        daemon.write(wanting("greet", path=path))
        daemon.eventually(
            lambda: daemon.run("team/greet", 1, headers=_bearer("good")).status,
            lambda status: status == 200,
        )

        refusals = [
            daemon.run("team/greet", 1, headers=headers)
            for headers in ({}, _bearer("wrong"), _bearer("poor"))
        ]
        assert [(one.status, one.json()["code"]) for one in refusals] == [
            (401, "token-missing"),
            (403, "token-refused"),
            (403, "token-refused"),
        ]
        assert refusals[0].headers["www-authenticate"].startswith("Bearer")
        assert daemon.get("/v1/skills").status == 401
        for path_ in ("/health", "/readyz", "/skill.wit", "/openapi.json"):
            assert daemon.get(path_).status == 200

        stub.status = 500
        unsure = daemon.run("team/greet", 1, headers=_bearer("good"))
        assert (unsure.status, unsure.json()["code"]) == (503, "authorization-unavailable")
        assert "good" not in "\n".join(daemon.log)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
