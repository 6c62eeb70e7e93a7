import json
from typing import Any

import pytest
from hypothesis import given

from daemon.csi import interface as csi
from daemon.csi.inference.completion_format import (
    decode_completion,
    decode_completion_chunk,
    encode_completion,
)
from daemon.csi.inference.failures import Asked
from daemon.errors import DaemonError, ErrorKind
from tests.lies import answered_or_refused, lies

ASKED = Asked("completions", "large", "s3cret")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


def encoded(params: csi.CompletionParams, *, stream: bool = False) -> dict[str, Any]:
    """The fields beside model and prompt, as the backend reads them."""
    request = csi.CompletionRequest("m", "p", params)
    body: dict[str, Any] = json.loads(encode_completion(request, stream=stream))
    assert (body.pop("model"), body.pop("prompt")) == ("m", "p")
    return body


def test_what_is_not_set_is_left_out() -> None:
    """The backend's own defaults hold; special tokens have no field there."""
    assert encoded(csi.CompletionParams(return_special_tokens=True)) == {}


def test_all_parameters_are_sent() -> None:
    """Under the names of OpenAI, and `top_k`, which others added."""
    params = csi.CompletionParams(
        max_tokens=1,
        temperature=0.3,
        top_k=4,
        top_p=0.5,
        stop=["."],
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logprobs=2,
        echo=True,
    )

    assert encoded(params, stream=True) == {
        "max_tokens": 1,
        "temperature": 0.3,
        "top_k": 4,
        "top_p": 0.5,
        "stop": ["."],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "logprobs": 2,
        "echo": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_sampled_logprobs_ask_for_no_alternatives() -> None:
    """Here 0 gives the sampled token alone."""
    assert encoded(csi.CompletionParams(logprobs="sampled")) == {"logprobs": 0}


LOGPROBS = {
    "tokens": ["a", "b", "c"],
    "token_logprobs": [None, -1.0, -2.0],
    "top_logprobs": [None, {"b": -1.0, "x": -3.0}, {"c": -2.0}],
}
DISTRIBUTIONS = [
    csi.Distribution(csi.Logprob(b"b", -1.0), [csi.Logprob(b"b", -1.0), csi.Logprob(b"x", -3.0)]),
    csi.Distribution(csi.Logprob(b"c", -2.0), [csi.Logprob(b"c", -2.0)]),
]


def test_a_whole_answer_with_logprobs() -> None:
    """The first token of an echoed prompt has no probability, and no entry."""
    choice = {"text": "abc", "finish_reason": "length", "logprobs": LOGPROBS}

    found = decode_completion(json.dumps({"choices": [choice], "usage": USAGE}).encode(), ASKED)

    assert found == csi.Completion("abc", "length", csi.TokenUsage(3, 2), DISTRIBUTIONS)


def test_one_chunk_yields_text_end_and_usage() -> None:
    """Logprobs without text are not lost, and without alternatives they are fine."""
    logprobs = {**LOGPROBS, "top_logprobs": None}
    choice = {"text": "", "finish_reason": "stop", "logprobs": logprobs}

    events = decode_completion_chunk(json.dumps({"choices": [choice], "usage": USAGE}), ASKED)

    bare = [csi.Distribution(one.sampled) for one in DISTRIBUTIONS]
    assert events == [csi.Append("", bare), csi.End("stop"), csi.Usage(csi.TokenUsage(3, 2))]


def test_a_chunk_that_says_nothing_yields_nothing() -> None:
    """Such as the empty last text of a stream."""
    assert decode_completion_chunk('{"choices": [{"text": ""}], "usage": null}', ASKED) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"choices": []}, ErrorKind.CSI_UPSTREAM),
        ({"choices": [{"text": "a"}], "usage": USAGE}, ErrorKind.CSI_UPSTREAM),
        ({"choices": [{"text": "a", "finish_reason": "stop"}]}, ErrorKind.CSI_UPSTREAM),
        ({"error": {"code": "model_not_found"}}, ErrorKind.CSI_UNKNOWN_MODEL),
        ({"object": "error", "code": 429}, ErrorKind.CSI_RATE_LIMITED),
    ],
)
def test_what_is_no_answer_is_told_by_kind(body: object, kind: ErrorKind) -> None:
    """Errors with status 200, and answers without what was promised."""
    with pytest.raises(DaemonError) as caught:
        decode_completion(json.dumps(body).encode(), ASKED)

    assert caught.value.kind is kind
    assert kind is not ErrorKind.CSI_UNKNOWN_MODEL or "'large'" in caught.value.detail


def test_choices_that_nobody_asked_for_are_left_out() -> None:
    """Whole and piece by piece."""
    first, other = {"text": "a", "finish_reason": "stop"}, {"index": 1, "text": "no"}
    body = json.dumps({"choices": [other, first], "usage": USAGE})

    assert decode_completion(body.encode(), ASKED).text == "a"
    assert decode_completion_chunk(body, ASKED)[:2] == [csi.Append("a"), csi.End("stop")]
    assert decode_completion_chunk(json.dumps({"choices": [other]}), ASKED) == []


ONE = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{"a": -1.0}]}
CHOICE = {"index": 0, "text": "a", "finish_reason": "stop", "logprobs": ONE}
ANSWERS = lies({"choices": [CHOICE], "usage": USAGE, "error": None})


@given(ANSWERS)
def test_answers_that_lie_are_read_or_refused(body: bytes) -> None:
    """Whatever stands in any place."""
    answered_or_refused(lambda: decode_completion(body, ASKED), csi.Completion)


@given(ANSWERS)
def test_chunks_that_lie_are_read_or_refused(body: bytes) -> None:
    """The same."""
    answered_or_refused(
        lambda: decode_completion_chunk(body.decode(), ASKED), list[csi.InferenceEvent]
    )
