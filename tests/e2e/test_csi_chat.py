"""Skills that are a conversation with a model, over HTTP, with the model's backend watched."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import openai_stub
from tests.e2e.csi_stage import Stage, events, stage
from tests.inference_stub import Fault

_ENTRY = (
    '{ type = "chat", name = "poet", version = "1", model = "stub", system_prompt = "In rhyme." }'
)
POET = "/v1/skills/poets/poet"
STREAM = f"{POET}/message-stream"
JOKE = "/v1/skills/test-beta/tell_me_a_joke/message-stream"
ASK = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A daemon with one chat Skill and no component at all."""
    root = tmp_path_factory.mktemp("chat")
    skills = root / "skills"
    skills.mkdir()
    with stage(root, skills=skills, names={}, inference=openai_stub) as made:
        file = made.daemon.namespaces / "poets" / "namespace.toml"
        file.parent.mkdir()
        file.write_text(f"skills = [{_ENTRY}]\n")
        made.daemon.eventually(lambda: _metadata(made).status, lambda status: status == 200)
        yield made


def _metadata(made: Stage) -> Any:
    return made.daemon.get(f"{POET}/metadata")


@pytest.fixture
def chat(played: Stage) -> Iterator[Stage]:
    """The same, well again after each test."""
    played.inference.seen.clear()
    played.inference.gone.clear()
    played.inference.models = frozenset({"stub"})
    yield played
    played.rest()


def _told(chat: Stage, path: str, body: Any) -> list[Any]:
    answer = chat.daemon.request("POST", path, body)
    assert answer.status == 200, answer.body
    return events(answer.body)


def test_a_chat_skill_streams_what_its_model_says(chat: Stage) -> None:
    """The system prompt comes first, then the talk."""
    chat.say("Ro", "ses")

    told = [data for _, data in _told(chat, STREAM, ASK)]

    assert [one["type"] for one in told] == ["begin", "append", "append", "end"]
    assert told[-1] == {"type": "end", "payload": "Stop"}
    (seen,) = chat.inference.seen
    assert [one["content"] for one in seen.body["messages"]] == ["In rhyme.", "Hi", "Yes?"]


def test_a_chat_skill_has_metadata_and_is_listed(chat: Stage) -> None:
    """By its type."""
    told = _metadata(chat).json()

    assert told["skill_type"] == "message_stream"
    assert told["input_schema"]["required"] == ["messages"]
    assert "poets/poet" in chat.daemon.get("/v1/skills?type=chat").json()
    assert "poets/poet" not in chat.daemon.get("/v1/skills?type=programmable").json()


def test_an_input_that_is_no_talk_is_refused(chat: Stage) -> None:
    """In the stream, with what is wrong with it; and it can't be run as a function."""
    ((name, error),) = _told(chat, STREAM, {"messages": [{"role": "owl", "content": ""}]})
    run = chat.daemon.request("POST", f"{POET}/run", ASK)

    assert (name, error["code"]) == ("error", "invalid-input")
    assert "owl" in error["message"]
    assert (run.status, run.json()["code"]) == (409, "skill-is-stream")


def test_a_model_that_is_gone_is_told(chat: Stage) -> None:
    """By its name."""
    chat.inference.models = frozenset({"another"})

    ((_, error),) = _told(chat, STREAM, ASK)

    assert error["code"] == "csi-unknown-model"
    assert "stub" in error["message"]


def test_a_joke_is_told(chat: Stage) -> None:
    """Of any input."""
    chat.inference.models = None
    chat.say("Knock,", " knock.")

    told = [data for _, data in _told(chat, JOKE, {"whatever": 1})]

    assert "".join(one.get("text", "") for one in told) == "Knock, knock."
    assert chat.inference.seen[0].body["model"] == "llama-3.1-8b-instruct"
    assert chat.inference.seen[0].body["messages"][-1]["content"] == "Tell me a joke!"


def test_pieces_arrive_when_they_are_said_and_a_client_that_leaves_ends_the_rest(
    chat: Stage,
) -> None:
    """The connection to the backend is closed."""
    chat.inference.faults.append(Fault(events=2, then="hang"))
    connection = http.client.HTTPConnection(*chat.daemon.address, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", STREAM, json.dumps(ASK), {"Content-Type": "application/json"})
        response = connection.getresponse()
        told = [response.readline() for _ in range(6)][1::3]

    assert [json.loads(line.removeprefix(b"data: "))["type"] for line in told] == [
        "begin",
        "append",
    ]
    chat.daemon.eventually(chat.inference.gone.is_set, bool)


def test_what_a_chat_asks_is_counted(chat: Stage) -> None:
    """As what any other Skill asks."""
    asked = chat.daemon.metric('kernel_csi_requests_total{function="chat_stream"}')

    _told(chat, STREAM, ASK)

    chat.idle()
    counted = chat.daemon.metric('kernel_csi_requests_total{function="chat_stream"}')
    assert counted == asked + 1
