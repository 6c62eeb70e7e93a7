"""Skills that harm: each gets its status and message, and the Skill beside it keeps answering."""

import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components import component
from tests.e2e.hammer import Hammer
from tests.e2e.harness import Answer, Daemon, running
from tests.e2e.skills import entry, put, rogue, saying, streamer, wanting
from tests.poison.compile_bomb import compile_bomb
from tests.wat import components

SLOW = 10.0
"""Seconds in which a healthy Skill has to answer, on a machine with two busy cores."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all poisons: it has to outlive them."""
    root = tmp_path_factory.mktemp("poison")
    tells = component(components.function(describe=components.SELECT_LANGUAGE))
    path = put(
        root / "skills",
        rogue=rogue(),
        patient=rogue(),
        few=rogue(),
        stream=streamer(),
        lasting=streamer(),
        beside=saying("well"),
        talkative=tells,
    )
    settings = {"WORKERS": 2, "SKILL_OUTPUT": "1MiB", "SKILL_TIMEOUT": "60s"}
    with running(root, **settings) as daemon:
        daemon.write(
            wanting(
                entry("rogue", timeout="1s", memory="8MiB"),
                entry("stream", timeout="3s"),
                entry("few", concurrency=2),
                *("patient", "lasting", "beside", "talkative"),
                path=path,
            )
        )
        daemon.answers("team/beside", "well")
        for name in ("rogue", "patient", "few"):
            daemon.answers(f"team/{name}", "hi")
        yield daemon
        daemon.answers("team/beside", "well")


@pytest.fixture
def beside(daemon: Daemon) -> Iterator[Hammer]:
    """A well-behaved Skill is called all the while."""
    with Hammer(daemon, "team/beside", clients=1) as hammer:
        yield hammer
    assert hammer.failures == []
    assert hammer.calls > 0
    assert hammer.slowest < SLOW


@pytest.mark.parametrize(
    ("deed", "status", "code", "words"),
    [
        ("loop", 504, "deadline-exceeded", "time limit of 1 s"),
        ("sleep", 504, "deadline-exceeded", "time limit of 1 s"),
        ("memory", 500, "skill-trapped", "crashed"),
        ("recursion", 500, "skill-trapped", "call stack overflowed"),
        ("unreachable", 500, "skill-trapped", "unreachable"),
        ("bounds", 500, "skill-trapped", "out of bounds"),
        ("zero", 500, "skill-trapped", "zero"),
        ("json", 500, "invalid-output", "JSON"),
        ("8", 500, "invalid-output", "UTF-8"),
        ("quit", 500, "skill-trapped", "exit"),
        ("internal", 400, "skill-failed", "Error reported by Skill"),
        ("v", 422, "invalid-input", ""),
    ],
)
def test_each_poison_has_its_status_and_message(
    daemon: Daemon, beside: Hammer, deed: str, status: int, code: str, words: str
) -> None:
    """A problem document that names the Skill, and whose fault it is."""
    answer = daemon.run("team/rogue", "zap" if deed == "zero" else deed)

    problem = answer.json()
    assert (answer.status, problem["code"]) == (status, code)
    assert words in problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["namespace"], problem["skill"]) == ("team", "rogue")


def test_a_giant_output_is_refused(daemon: Daemon, beside: Hammer) -> None:
    """Two MiB where one is the limit."""
    answer = daemon.run("team/patient", "giant")

    assert (answer.status, answer.json()["code"]) == (500, "output-too-large")
    assert "1048576" in answer.json()["detail"] or "1 MiB" in answer.json()["detail"]


@pytest.mark.parametrize("deed", ["loop", "sleep", "memory"])
def test_many_of_one_poison_at_a_time(daemon: Daemon, beside: Hammer, deed: str) -> None:
    """More than there are workers: they end at their deadline, and others go in between."""
    answers = _at_once(lambda: daemon.run("team/rogue", deed), count=6)

    assert {answer.status for answer in answers} == {500 if deed == "memory" else 504}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("a", "stream-order"),
        ("e", "stream-order"),
        ("bb", "stream-order"),
        ("bn", "invalid-output"),
        ("f", "skill-failed"),
        ("ba" + "l", "deadline-exceeded"),
    ],
)
def test_a_stream_that_goes_wrong_ends_with_an_error_event(
    daemon: Daemon, beside: Hammer, script: str, code: str
) -> None:
    """What came before it stays valid."""
    answer = daemon.request("POST", "/v1/skills/team/stream/message-stream", script)

    assert answer.status == 200
    *_, last = answer.body.decode().strip().split("\n\n")
    name, data = last.split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["code"] == code


def test_a_reader_that_stops_reading_holds_nobody_up(daemon: Daemon) -> None:
    """The guest waits in its host for ever, and is ended at its deadline all the same."""
    with socket.create_connection(daemon.address) as lazy:
        lazy.sendall(_request(daemon, "team/stream", "message-stream", b'"bo"'))
        daemon.eventually(lambda: _calls(daemon), lambda calls: calls == 1)

        daemon.eventually(lambda: _busy(daemon), lambda busy: not busy)
        assert daemon.run("team/beside", "hi").json() == "well"

        daemon.eventually(lambda: _calls(daemon), lambda calls: calls == 0)


def test_metadata_that_asks_its_host_costs_only_the_metadata(daemon: Daemon) -> None:
    """The Skill itself is fine."""
    answer = daemon.get("/v1/skills/team/talkative/metadata")

    assert (answer.status, answer.json()["code"]) == (500, "csi-in-metadata")
    assert daemon.run("team/talkative", "hi").json() == "hi"


@pytest.mark.parametrize("deed", ["loop", "sleep"])
def test_a_client_that_leaves_takes_its_guest_with_it(daemon: Daemon, deed: str) -> None:
    """Else it would keep its place for the minute that it may take."""
    with socket.create_connection(daemon.address) as client:
        client.sendall(_request(daemon, "team/patient", "run", json.dumps(deed).encode()))
        daemon.eventually(lambda: _calls(daemon), lambda calls: calls == 1)

    daemon.eventually(lambda: _calls(daemon), lambda calls: calls == 0)
    daemon.eventually(lambda: _busy(daemon), lambda busy: not busy)


@pytest.mark.parametrize("script", ["bal", "bo"])
def test_a_client_that_leaves_a_stream_takes_its_guest_with_it(daemon: Daemon, script: str) -> None:
    """Also where it is in the midst of computing, or of telling."""
    with socket.create_connection(daemon.address) as client:
        body = json.dumps(script).encode()
        client.sendall(_request(daemon, "team/lasting", "message-stream", body))
        assert b"append" in _read_until(client, b"append")

    daemon.eventually(lambda: _calls(daemon), lambda calls: calls == 0)
    daemon.eventually(lambda: _busy(daemon), lambda busy: not busy)


def test_a_call_whose_worker_is_killed_is_run_again_once(daemon: Daemon) -> None:
    """Where it left no trace; the second time its caller is told."""
    answers: list[Answer] = []
    looping = threading.Thread(target=lambda: answers.append(daemon.run("team/patient", "loop")))
    looping.start()
    killed: set[int] = set()
    for _ in range(2):
        busy = daemon.eventually(
            lambda: [pid for pid in _busy(daemon) if pid not in killed],
            lambda found: len(found) == 1,
        )
        os.kill(busy[0], signal.SIGKILL)
        killed.update(busy)
        assert daemon.run("team/beside", "hi").json() == "well"
    looping.join()

    (answer,) = answers
    assert (answer.status, answer.json()["code"]) == (503, "worker-lost")
    assert "SIGKILL" in answer.json()["detail"]
    assert "retry-after" in answer.headers
    daemon.eventually(
        lambda: daemon.metric('skilld_workers{state="up"}'), lambda workers: workers == 2
    )
    assert daemon.get("/readyz").status == 200


def test_a_stream_whose_worker_is_killed_ends_with_an_error_event(daemon: Daemon) -> None:
    """What it said can't be said again."""
    with socket.create_connection(daemon.address) as client:
        client.sendall(_request(daemon, "team/lasting", "message-stream", b'"bal"'))
        _read_until(client, b"append")
        (worker,) = daemon.eventually(lambda: _busy(daemon), lambda busy: len(busy) == 1)

        os.kill(worker, signal.SIGKILL)

        assert b"event: error" in _read_until(client, b"worker-lost")
    assert daemon.run("team/beside", "hi").json() == "well"


def test_a_skill_has_a_share_and_no_more(daemon: Daemon, beside: Hammer) -> None:
    """The third of two gets 429 and when to come again."""
    clients = [socket.create_connection(daemon.address) for _ in range(2)]
    for client in clients:
        client.sendall(_request(daemon, "team/few", "run", b'"loop"'))

    refused = daemon.eventually(
        lambda: daemon.run("team/few", "hi"), lambda answer: answer.status == 429
    )

    assert refused.json()["code"] == "too-many-calls"
    assert int(refused.headers["retry-after"]) >= 1
    for client in clients:
        client.close()
    daemon.answers("team/few", "hi")


def test_a_full_house_says_so(tmp_path: Path) -> None:
    """Calls and queue are bounded for all Skills together: 503 and Retry-After."""
    path = put(tmp_path / "skills", rogue=rogue())
    with running(tmp_path, WORKERS=1, MAX_CALLS=2, QUEUE_LIMIT=0) as daemon:
        daemon.write(wanting("rogue", path=path))
        daemon.answers("team/rogue", "hi")
        clients = [socket.create_connection(daemon.address) for _ in range(2)]
        for client in clients:
            client.sendall(_request(daemon, "team/rogue", "run", b'"loop"'))

        refused = daemon.eventually(
            lambda: daemon.run("team/rogue", "hi"), lambda answer: answer.status == 503
        )

        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert daemon.get("/health").status == 200
        for client in clients:
            client.close()
        daemon.answers("team/rogue", "hi")


def test_what_compiles_for_ever_is_given_up(tmp_path: Path) -> None:
    """In a process of its own; meanwhile others are called, and installed afterwards."""
    path = put(tmp_path / "skills", bomb=compile_bomb(), beside=saying("well"))
    with running(tmp_path, COMPILE_TIMEOUT="3s") as daemon:
        daemon.write(wanting("beside", path=path))
        daemon.answers("team/beside", "well")
        with Hammer(daemon, "team/beside", clients=1) as hammer:
            daemon.write(wanting("beside", "bomb", path=path))
            failed = daemon.eventually(
                lambda: daemon.run("team/bomb", "hi"),
                lambda answer: "compil" in answer.json()["detail"],
            )

        assert failed.status == 503
        assert "3 s" in failed.json()["detail"]
        assert hammer.failures == []
        put(path, new=saying("new"))
        daemon.write(wanting("beside", "bomb", "new", path=path))
        daemon.answers("team/new", "new")


# What the tests look at ---------------------------------------------------------------------------


def _at_once(call: Callable[[], Answer], *, count: int) -> list[Answer]:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(call())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _request(daemon: Daemon, skill: str, route: str, body: bytes) -> bytes:
    host, port = daemon.address
    head = (
        f"POST /v1/skills/{skill}/{route} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _read_until(client: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        piece = client.recv(4096)
        if not piece:
            raise http.client.RemoteDisconnected(received.decode())
        received += piece
    return received


def _calls(daemon: Daemon) -> float:
    return sum(
        daemon.metric(f'skilld_calls{{state="{state}"}}')
        for state in ("running", "queued", "waiting")
    )


def _busy(daemon: Daemon) -> list[int]:
    """The workers that keep a core busy."""
    return [pid for pid, share in daemon.cpu(over=0.3).items() if share > 0.4]
