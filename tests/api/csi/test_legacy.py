"""The legacy interface: each function of each version, and the truth about other versions."""

from typing import Any

import msgspec
import pytest

from daemon.api.csi import legacy
from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.errors import DaemonError, ErrorKind
from tests.fakes_csi import Oracle, drivers

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
HEARD = [csi.OtherMessage("user", "Hi"), csi.AssistantMessage("Yes?")]
PATH = {"namespace": "library", "collection": "letters", "name": "1842"}
INDEX = {"namespace": "library", "collection": "letters", "index": "all"}
CHUNK = {"text": "a b", "params": {"model": "m", "max_tokens": 1}}
SEARCH = {"query": "q", "index_path": INDEX, "max_results": 1}
LETTER = {
    "path": PATH,
    "contents": [{"modality": "text", "text": "Dear"}, {"modality": "image"}],
    "metadata": {"b": 1, "a": [1.5, None]},
}
COMPLETION_02 = {"prompt": "p", "model": "m", "params": {"stop": []}}
COMPLETION_03 = {
    "prompt": "p",
    "model": "m",
    "params": {"stop": [], "return_special_tokens": False, "logprobs": "no", "echo": True},
}
LOGPROB = {"token": [72, 105], "logprob": -0.5}


async def ask(oracle: Oracle | None = None, **body: Any) -> Any:
    """The answer, as parsed JSON."""
    context = DriverContext(drivers(oracle), csi.Caller(), lambda _: None)
    return msgspec.json.decode(
        msgspec.json.encode(await legacy.answer(msgspec.json.encode(body), context))
    )


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        (
            "chat",
            {"model": "m", "messages": TALK, "params": {}},
            {"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"},
        ),
        ("chunk", CHUNK, ["a", "b"]),
        ("complete", COMPLETION_02, {"text": "p", "finish_reason": "stop"}),
        (
            "complete_all",
            {"requests": [COMPLETION_02]},
            [{"text": "p", "finish_reason": "stop"}],
        ),
        ("documents", {"requests": [PATH]}, [LETTER]),
        ("document_metadata", {"document_path": PATH}, LETTER["metadata"]),
        ("search", SEARCH, [{"document_path": PATH, "content": "The engine", "score": 0.75}]),
        ("select_language", {"text": "t", "languages": ["eng"]}, None),
        ("select_language", {"text": "t", "languages": ["eng", "deu"]}, "deu"),
    ],
)
async def test_version_0_2_answers_one_request(
    function: str, arguments: dict[str, Any], answer: Any
) -> None:
    """Mostly; with less than later versions tell."""
    assert await ask(version="0.2", function=function, **arguments) == answer


@pytest.mark.parametrize(
    ("function", "request_", "answer"),
    [
        (
            "chat",
            {"model": "m", "messages": TALK, "params": {"logprobs": {"top": 2}}},
            {
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
                "logprobs": [{"sampled": LOGPROB, "top": []}],
                "usage": {"prompt": 3, "completion": 2},
            },
        ),
        ("chunk", {"text": "a b", "params": CHUNK["params"] | {"overlap": 0}}, ["a", "b"]),
        (
            "chunk_with_offsets",
            {
                "text": "a",
                "params": CHUNK["params"] | {"overlap": 0},
                "character_offsets": True,
            },
            [{"text": "a", "byte_offset": 0, "character_offset": 0}],
        ),
        (
            "complete",
            COMPLETION_03,
            {
                "text": "p",
                "finish_reason": "stop",
                "logprobs": [{"sampled": LOGPROB, "top": [LOGPROB]}],
                "usage": {"prompt": 3, "completion": 2},
            },
        ),
        ("documents", PATH, LETTER),
        ("document_metadata", PATH, LETTER["metadata"]),
        (
            "explain",
            {"prompt": "p", "target": "t", "model": "m", "granularity": "auto"},
            [{"start": 0, "length": 2, "score": 0.5}],
        ),
        (
            "search",
            SEARCH | {"filters": []},
            [
                {
                    "document_path": PATH,
                    "content": "The engine",
                    "score": 0.75,
                    "start": {"item": 0, "position": 0},
                    "end": {"item": 1, "position": 5},
                }
            ],
        ),
        ("select_language", {"text": "t", "languages": ["deu"]}, "deu"),
    ],
)
async def test_version_0_3_answers_lists(function: str, request_: Any, answer: Any) -> None:
    """In order."""
    got = await ask(version="0.3", function=function, requests=[request_, request_])

    assert got == [answer, answer]


@pytest.mark.parametrize("version", ["0.2", "0.3"])
async def test_the_assistant_may_have_spoken_before(version: str) -> None:
    """Conversations have more than one turn."""
    oracle = Oracle()
    chat = {"model": "m", "messages": TALK, "params": {"logprobs": "no", "tools": []}}

    await ask(oracle, version=version, function="chat", requests=[chat], **chat)

    assert oracle.asked == [csi.ChatRequest("m", HEARD)]


async def test_what_a_version_does_not_know_is_ignored() -> None:
    """Echo came later."""
    oracle = Oracle()

    await ask(oracle, version="0.3", function="complete", requests=[COMPLETION_03])

    assert oracle.asked[0].params.echo is False


@pytest.mark.parametrize("version", ["0.2", "0.3"])
async def test_an_answer_needs_content(version: str) -> None:
    """These versions have no place for its absence."""
    oracle = Oracle(answer=csi.AssistantMessage(None, "hm"))
    chat = {"model": "m", "messages": [], "params": {"logprobs": "no"}}

    with pytest.raises(DaemonError, match="without content") as raised:
        await ask(oracle, version=version, function="chat", requests=[chat], **chat)

    assert raised.value.kind is ErrorKind.CSI_UPSTREAM


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "A valid CSI version is required"),
        (3, "A valid CSI version is required"),
        ("new", "A valid CSI version is required"),
        (">=0.2, <0.4", "A valid CSI version is required"),
        ("0.6", "0.6 is not supported by this server yet"),
        ("1", "1 is not supported by this server yet"),
        ("0.4", "its functions are at /csi/v1 and /csi/v2"),
        ("0.5.0", "its functions are at /csi/v1 and /csi/v2"),
        ("0.3.1", 'as "0.3"'),
        ("^0.2", 'as "0.2"'),
        ("0.1", "0.1 is no longer supported"),
        ("0", "0 is no longer supported"),
    ],
)
async def test_other_versions_hear_the_truth(version: Any, said: str) -> None:
    """And the way out."""
    with pytest.raises(DaemonError) as raised:
        await ask(version=version, function="chat")

    assert raised.value.kind is ErrorKind.MALFORMED_REQUEST
    assert said in raised.value.detail


@pytest.mark.parametrize(("function", "said"), [("explain", "'explain'"), (None, "without a name")])
async def test_an_unknown_function_hears_which_there_are(function: Any, said: str) -> None:
    """In its version."""
    with pytest.raises(DaemonError, match=said) as raised:
        await ask(version="0.2", function=function)

    assert raised.value.kind is ErrorKind.MALFORMED_REQUEST
    assert "complete_all" in raised.value.detail


async def test_wrong_arguments_are_not_an_unknown_function() -> None:
    """They are told with their place."""
    with pytest.raises(DaemonError, match=r"languages\[1\]") as raised:
        await ask(version="0.2", function="select_language", text="t", languages=["eng", "fra"])

    assert raised.value.kind is ErrorKind.CSI_BAD_REQUEST
