"""SDK-built Skills that use all that the SDK has, against every backend as a real server."""

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Skills
from tests.e2e.csi_stage import TOKEN, Stage, stage

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

SKILLS: dict[str, dict[str, object]] = {"csi": {}, "csi-stream": {}}
CALLS = 100
USAGE = {"prompt": 3, "completion": 2}
CALL = '{"type": "function", "function": {"name": "%s", "parameters": {"a": 1, "b": 2}}}'


@pytest.fixture(scope="module")
def played(
    sdk_skill: Skills, primed: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One daemon for all, with Aleph Alpha's inference: it alone has every function."""
    root = tmp_path_factory.mktemp("csi")
    skills = root / "skills"
    skills.mkdir()
    for name in SKILLS:
        (skills / f"{name}.wasm").symlink_to(sdk_skill(name.replace("-", "_")))
    with stage(root, skills=skills, primed=primed, names=SKILLS, PRECOMPILE="split") as made:
        yield made


@pytest.fixture
def csi(played: Stage) -> Iterator[Stage]:
    """The same, well again after each test, with what was asked forgotten."""
    played.inference.seen.clear()
    played.index.seen.clear()
    yield played
    played.rest()
    played.idle()


def asked(csi: Stage) -> list[Any]:
    """The bodies that the model's backend got."""
    return [one.body for one in csi.inference.seen]


# Inference ---------------------------------------------------------------------------------------


def test_a_chat_has_all_its_parameters_and_the_callers_token(csi: Stage) -> None:
    """And a trace that goes on."""
    said = csi.ask("chat")

    assert said["message"] == {"role": "assistant", "content": "Hello"}
    assert (said["finish_reason"], said["usage"]) == ("stop", USAGE)
    (seen,) = csi.inference.seen
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen.body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert (seen.body["temperature"], seen.body["top_logprobs"]) == (0.5, 2)


def test_batches_keep_their_order(csi: Stage) -> None:
    """Chats and completions."""
    assert len(csi.ask("chat_many", count=3)) == 3
    assert len(csi.ask("complete_many", count=3)) == 3

    chats = {body["messages"][0]["content"] for body in asked(csi)[:3]}
    assert chats == {"Hi 0", "Hi 1", "Hi 2"}
    assert {body["prompt"][0]["data"] for body in asked(csi)[3:]} == chats


def test_streams_are_read_piece_by_piece(csi: Stage) -> None:
    """By a function that collects them."""
    csi.say("He", "llo")

    assert csi.ask("chat_stream") == ["assistant", ["He", "llo"], "stop", USAGE]
    assert csi.ask("completion_stream") == [["Hello"], "stop", USAGE]


def test_completions_have_logprobs_and_explanations_scores(csi: Stage) -> None:
    """As the native functions of the backend tell them."""
    completed = csi.ask("complete")

    assert (completed["text"], completed["finish_reason"]) == ("Hello", "length")
    assert completed["logprobs"][0]["sampled"] == {"token": list(b"Hello"), "logprob": -0.5}
    assert csi.ask("explain", text="Hello") == [[{"start": 0, "length": 5, "score": 0.25}]] * 2


# Texts, documents --------------------------------------------------------------------------------


def test_texts_are_chunked_by_a_local_tokenizer(csi: Stage) -> None:
    """Two words at most, one of them the one before, with characters counted."""
    chunks = csi.ask("chunk", model="local", text="ä b c", count=2)

    assert chunks[0] == chunks[1]
    assert [one["text"] for one in chunks[0]] == ["ä b", "b c"]
    assert [one["character_offset"] for one in chunks[0]] == [0, 2]


def test_texts_are_chunked_by_the_tokenizer_of_the_backend(csi: Stage) -> None:
    """With the caller's token."""
    (chunks,) = csi.ask("chunk", model="stub", text="a", count=1)

    assert chunks == [{"text": "a", "character_offset": 0}]
    assert csi.inference.seen[0].path == "/models/stub/tokenizer"
    assert csi.inference.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_languages_are_told_apart(csi: Stage) -> None:
    """Or not."""
    german = "Dieser Satz ist ganz bestimmt auf Deutsch geschrieben."

    assert csi.ask("language", text=german) == ["deu", None]


def test_search_has_all_its_filters(csi: Stage) -> None:
    """And finds sections."""
    ((found,),) = csi.ask("search", text="Ada")

    assert (found["content"], found["score"]) == ("Dear Ada", 0.5)
    (seen,) = csi.index.seen
    assert (seen.headers["Authorization"], seen.body["query"][0]["text"]) == (
        f"Bearer {TOKEN}",
        "Ada",
    )
    kinds = [next(iter(one)) for one in seen.body["filters"]]
    assert kinds == ["with", "with_one_of", "without", "with"]


def test_documents_come_with_their_metadata(csi: Stage) -> None:
    """Or with that alone."""
    document, metadata = csi.ask("documents", name="letter")

    assert document["contents"] == [{"text": "Dear", "modality": "text"}]
    assert document["metadata"] == metadata == {"pages": 2}


# Tools -------------------------------------------------------------------------------------------


def test_tools_are_native_ones_and_those_of_servers(csi: Stage) -> None:
    """Of the Skill's own namespace: it enables two of the three native ones."""
    assert csi.ask("tools") == ["add", "fail", "greet", "hang", "saboteur"]
    assert csi.ask("tool", name="add", arguments={"a": 1, "b": 2}) == ["3"]
    assert csi.ask("tool", name="greet", arguments={"who": "Ada"}) == ["stub: hello Ada"]


def test_failures_of_tools_are_the_skills_to_handle(csi: Stage) -> None:
    """Those of tools, of servers, and of tools that the namespace does not have."""
    name = "add saboteur fail subtract greet"
    results = csi.ask("tools_many", name=name, arguments={"a": 1, "b": 2})

    assert results[0] == {"contents": ["3"]}
    assert results[1] == {"message": "Out of cheese."}
    assert results[2] == {"message": "broken"}
    assert "subtract was not found" in results[3]["message"]
    assert results[4]["contents"] == ["stub: hello you"]


def test_a_skill_may_fail_for_a_tool_that_failed(csi: Stage) -> None:
    """What the SDK raises is an error of the Skill."""
    answer = csi.run("tool", name="saboteur")

    assert (answer.status, answer.json()["code"]) == (400, "skill-failed")
    assert "Out of cheese." in answer.json()["detail"]


def test_an_agent_calls_tools_until_it_has_an_answer(csi: Stage) -> None:
    """A failed one as well: the model hears why."""
    csi.say(CALL % "saboteur")
    csi.say(CALL % "add")
    csi.say("It is ", "3.")

    said, talk = csi.ask("agent", text="1 + 2?", name="add saboteur")

    assert said == "It is 3."
    assert "Out of cheese." in talk[2]
    assert talk[4] == 'completed[stdout]:{"result": 3}[/stdout]'
    assert [len(body["messages"]) for body in asked(csi)] == [2, 4, 6]


# The Skill itself --------------------------------------------------------------------------------


def test_metadata_has_description_and_schemas(csi: Stage) -> None:
    """As Python tells them."""
    told = csi.daemon.get("/v1/skills/team/csi/metadata").json()

    assert told["description"] == "Asks its host for what its caller wants."
    assert told["input_schema"]["required"] == ["do"]
    assert told["output_schema"]["title"] == "Output"
    assert told["skill_type"] == "function"


def test_skills_that_fail_and_inputs_that_do_not_fit(csi: Stage) -> None:
    """Are told apart."""
    failed = csi.run("fail", text="on purpose")
    refused = csi.daemon.run("team/csi", {"no": "deed"})

    assert (failed.status, failed.json()["code"]) == (400, "skill-failed")
    assert "on purpose" in failed.json()["detail"]
    assert (refused.status, refused.json()["code"]) == (422, "invalid-input")


# Streams -----------------------------------------------------------------------------------------


def test_a_chat_is_forwarded_with_a_payload_of_what_it_was(csi: Stage) -> None:
    """The payload is made when the stream has ended."""
    csi.say("He", "llo")

    told = csi.stream("forward_chat")

    assert _texts(told) == ["He", "llo"]
    assert told[-1] == ("message", {"type": "end", "payload": {"told": ["stop", 2]}})


def test_a_completion_is_forwarded(csi: Stage) -> None:
    """In the same events."""
    told = csi.stream("forward_completion")

    assert _texts(told) == ["Hello"]
    assert told[-1] == ("message", {"type": "end", "payload": {"told": "completed"}})


def test_an_agent_streams_its_last_answer_after_the_events_of_its_tools(csi: Stage) -> None:
    """In the order in which all that happened."""
    csi.say(CALL % "add")
    csi.say("It is ", "3.")

    told = csi.stream("agent", tools=["add"])

    assert told[:2] == [
        ("tool", {"type": "begin", "name": "add"}),
        ("tool", {"type": "end", "name": "add"}),
    ]
    assert _texts(told) == ["It is ", "3."]


def test_events_of_tools_tell_of_failures(csi: Stage) -> None:
    """All begin before one ends."""
    told = csi.stream("tools", tools=["saboteur", "add"], arguments={"a": 1, "b": 2})

    assert told[:4] == [
        ("tool", {"type": "begin", "name": "saboteur"}),
        ("tool", {"type": "begin", "name": "add"}),
        ("tool", {"type": "error", "name": "saboteur", "message": "Out of cheese."}),
        ("tool", {"type": "end", "name": "add"}),
    ]


def test_events_of_tools_are_told_when_they_happen(csi: Stage) -> None:
    """A tool that takes its time does not hide that another has finished."""
    body = {"do": "tools", "tools": ["hang", "add"], "arguments": {"a": 1, "b": 2}}
    connection = http.client.HTTPConnection(*csi.daemon.address, timeout=30)
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json"}
        path = "/v1/skills/team/csi-stream/message-stream"
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        told = [response.readline() for _ in range(9)][1::3]

    assert [json.loads(line.removeprefix(b"data: ")) for line in told] == [
        {"type": "begin", "name": "hang"},
        {"type": "begin", "name": "add"},
        {"type": "end", "name": "add"},
    ]
    csi.idle()


def test_a_stream_that_fails_keeps_what_it_told(csi: Stage) -> None:
    """Its last event says why, with the traceback of the Skill."""
    *_, (name, error) = csi.stream("fail", text="on purpose")

    assert (name, error["code"]) == ("error", "skill-failed")
    assert "on purpose" in error["message"]


def _texts(told: list[Any]) -> list[str]:
    return [data["text"] for _, data in told if data["type"] == "append"]


# Waiting -----------------------------------------------------------------------------------------


def test_many_guests_wait_for_a_slow_backend_and_nobody_notices(csi: Stage) -> None:
    """They take no CPU, the daemon answers at once, and so do they when the backend has."""
    release = csi.hold()
    with ThreadPoolExecutor(CALLS) as pool:
        answers = [pool.submit(csi.run, "chat") for _ in range(CALLS)]
        csi.daemon.eventually(lambda: csi.inference.waiting, lambda waiting: waiting == CALLS)

        busy = csi.daemon.cpu(over=1.0)
        health = sorted(_seconds(lambda: csi.daemon.get("/health")) for _ in range(100))
        other = csi.ask("tool", name="add", arguments={"a": 1, "b": 2})
        release()

        assert {answer.result().status for answer in answers} == {200}
    assert sum(busy.values()) < 0.5
    assert health[98] < 0.1
    assert other == ["3"]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
