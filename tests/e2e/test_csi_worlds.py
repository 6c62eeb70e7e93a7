"""What each WIT world can ask, with an OpenAI-compatible backend as a real server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import openai_stub
from tests.components import component
from tests.conftest import Skills
from tests.e2e.csi_stage import Stage, events, served, stage
from tests.e2e.skills import put, wanting
from tests.wat import components

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

WORLDS = ("first_world", "second_world", "fourth_world", "fifth_stream")
NAMES: dict[str, dict[str, object]] = {name.replace("_", "-"): {} for name in WORLDS}


@pytest.fixture(scope="module")
def played(world_skill: Skills, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One daemon for all; the backend has every model."""
    root = tmp_path_factory.mktemp("worlds")
    skills = put(root / "skills", small=component(components.first_world()))
    for name in WORLDS:
        (skills / f"{name.replace('_', '-')}.wasm").symlink_to(world_skill(name))
    with stage(root, skills=skills, names=NAMES, inference=openai_stub, PRECOMPILE="split") as made:
        made.inference.models = None
        made.daemon.write(wanting("small", path=skills), namespace="text")
        served(made.daemon, "text/small")
        yield made


@pytest.fixture
def csi(played: Stage) -> Iterator[Stage]:
    """The same, with what was asked forgotten."""
    played.inference.seen.clear()
    yield played
    played.rest()
    played.idle()


def _seen(csi: Stage) -> list[tuple[str, Any]]:
    return [(one.path, one.body) for one in csi.inference.seen]


def test_the_first_world_completes_text(csi: Stage) -> None:
    """Built from Python as its documentation tells; and from a few lines of text."""
    assert csi.daemon.run("team/first-world", "ask why").json() == "Hello"
    assert csi.daemon.run("text/small", "complete").json() == "Hello"

    (path, first), (_, second) = _seen(csi)
    assert (path, first["model"], first["prompt"]) == ("/completions", "first-model", "why")
    assert second["prompt"] == "complete"
    assert csi.inference.seen[0].headers["Authorization"] == "Bearer ours"


def test_the_second_world_completes(csi: Stage) -> None:
    """With parameters."""
    answer = csi.daemon.run("team/second-world", {"ask": "why"})

    assert answer.json() == {"text": "Hello"}
    ((_, body),) = _seen(csi)
    assert (body["model"], body["max_tokens"]) == ("second-model", 16)


def test_agents_of_the_fourth_world_call_tools_by_id_and_hear_thoughts(csi: Stage) -> None:
    """What it thought is not sent back to the model; the tools are those of the namespace."""
    function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    wish = {"id": "c1", "type": "function", "function": function}
    asks = {"role": "assistant", "reasoning_content": "Sums!", "tool_calls": [wish]}
    says = {"role": "assistant", "content": "<think>Easy.</think>3"}
    csi.inference.replies.extend([_answer(asks, "tool_calls"), _answer(says, "stop")])

    answer = csi.daemon.run("team/fourth-world", "1 + 2?")

    assert answer.json() == {"said": "3", "thought": ["Sums!", "Easy."]}
    (_, first), (_, second) = _seen(csi)
    offered = [one["function"]["name"] for one in first["tools"]]
    assert offered == ["add", "fail", "greet", "hang", "saboteur"]
    assert (first["reasoning_effort"], first["tool_choice"]) == ("low", "auto")
    _, called, result = second["messages"]
    assert called == {"role": "assistant", "tool_calls": [wish]}
    assert result == {"role": "tool", "content": "3", "tool_call_id": "c1"}


def test_streams_of_the_fifth_world_tell_thoughts_and_tool_calls(csi: Stage) -> None:
    """In the order in which they came, tags taken apart."""
    call = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": "{}"}}
    deltas = [
        {"role": "assistant", "content": "<thi"},
        {"content": "nk>Hm.</think>Let"},
        {"content": " me see."},
        {"tool_calls": [call]},
    ]
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": one}]} for one in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    csi.inference.replies.append([*chunks, end, "[DONE]"])

    path = "/v1/skills/team/fifth-stream/message-stream"
    told = [data for _, data in events(csi.daemon.request("POST", path, "1 + 2?").body)]

    texts = [one.get("text", "") for one in told if one["type"] in ("append", "reasoning")]
    assert "".join(texts) == "Hm.Let me see.[c1 add {}]"
    assert [one["type"] for one in told][:2] == ["begin", "reasoning"]
    assert told[-1] == {"type": "end", "payload": "TOOL_CALLS"}


def test_what_a_world_cannot_hear_ends_its_guest(csi: Stage) -> None:
    """An OpenAI-compatible backend that fails is no better than another."""
    csi.inference.replies.append({"choices": []})

    answer = csi.daemon.run("team/first-world", "ask why")

    assert (answer.status, answer.json()["code"]) == (502, "csi-upstream")


def _answer(message: Any, reason: str) -> Any:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {"choices": [choice], "usage": usage}
