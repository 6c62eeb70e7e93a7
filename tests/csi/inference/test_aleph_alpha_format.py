import json
from typing import Any

import pytest
from hypothesis import given

from daemon.csi import interface as csi
from daemon.csi.inference.aleph_alpha_format import (
    decode_completion,
    decode_event,
    decode_explanation,
    encode_completion,
    encode_explanation,
)
from daemon.csi.inference.failures import Asked
from daemon.errors import DaemonError, ErrorKind
from tests.lies import answered_or_refused, lies

ASKED = Asked("complete", "large", "s3cret")
NO_PARAMS = csi.CompletionParams()
COUNTS = {"num_tokens_prompt_total": 3, "num_tokens_generated": 2}
PROMPT = [{"type": "text", "data": "p"}]


def whole(params: csi.CompletionParams = NO_PARAMS, **piece: Any) -> csi.Completion:
    """A whole answer of one completion, decoded."""
    completion = {"completion": "a", "finish_reason": "stop", **piece}
    body = json.dumps({"completions": [completion], **COUNTS})
    return decode_completion(body.encode(), params, ASKED)


def encoded(params: csi.CompletionParams, *, stream: bool = False) -> dict[str, Any]:
    """The fields beside model and prompt, as the backend reads them."""
    request = csi.CompletionRequest("m", "p", params)
    body: dict[str, Any] = json.loads(encode_completion(request, stream=stream))
    assert (body.pop("model"), body.pop("prompt")) == ("m", PROMPT)
    return body


def test_what_is_not_set_is_left_out() -> None:
    """The backend's own defaults hold."""
    assert encoded(NO_PARAMS) == {}


def test_all_parameters_are_sent_under_their_native_names() -> None:
    """Special tokens need the raw completion; logprobs need the tokens."""
    params = csi.CompletionParams(
        max_tokens=1,
        temperature=0.3,
        top_k=4,
        top_p=0.5,
        stop=["."],
        return_special_tokens=True,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logprobs=2,
        echo=True,
    )

    assert encoded(params, stream=True) == {
        "maximum_tokens": 1,
        "temperature": 0.3,
        "top_k": 4,
        "top_p": 0.5,
        "stop_sequences": ["."],
        "raw_completion": True,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "log_probs": 2,
        "tokens": True,
        "echo": True,
        "stream": True,
    }


def test_sampled_logprobs_ask_for_no_alternatives() -> None:
    """0 gives the sampled token alone."""
    assert encoded(csi.CompletionParams(logprobs="sampled")) == {"log_probs": 0, "tokens": True}


@pytest.mark.parametrize(
    ("granularity", "field"),
    [("auto", {}), ("sentence", {"prompt_granularity": {"type": "sentence"}})],
)
def test_a_granularity_left_to_the_backend_is_left_out(
    granularity: csi.Granularity, field: dict[str, Any]
) -> None:
    """`auto` has no spelling there."""
    body = json.loads(encode_explanation(csi.ExplanationRequest("p", "t", "m", granularity)))

    assert body == {"model": "m", "prompt": PROMPT, "target": "t", **field}


@pytest.mark.parametrize(
    ("said", "reason"),
    [("length", "length"), ("maximum_tokens", "length"), ("stop", "stop"),
     ("end_of_text", "stop"), ("stop_sequence_reached", "stop"),
     ("content_filter", "content-filter")],
)  # fmt: skip
def test_finish_reasons(said: str, reason: csi.FinishReason) -> None:
    """Native and OpenAI's words become ours."""
    assert whole(finish_reason=said) == csi.Completion("a", reason, csi.TokenUsage(3, 2))


def test_special_tokens_come_from_the_raw_completion() -> None:
    """Only where they were asked for, and where it is given."""
    params = csi.CompletionParams(return_special_tokens=True)

    assert whole(params, raw_completion="a<end>").text == "a<end>"
    assert whole(params).text == "a"
    assert whole(raw_completion="a<end>").text == "a"


def test_the_sampled_token_is_not_taken_for_a_likely_one() -> None:
    """Each position lists it beside the most likely ones, of which we keep as many as wanted."""
    piece = {
        "completion_tokens": ["x", "b"],
        "log_probs": [{"x": None}, {"b": -3.0, "c": -1.0, "d": -2.0}],
    }

    found = whole(csi.CompletionParams(logprobs=2), **piece).logprobs

    tops = [csi.Logprob(b"c", -1.0), csi.Logprob(b"d", -2.0)]
    assert found == [csi.Distribution(csi.Logprob(b"b", -3.0), tops)]
    sampled = whole(csi.CompletionParams(logprobs="sampled"), **piece).logprobs
    assert sampled == [csi.Distribution(csi.Logprob(b"b", -3.0))]


def test_events_of_a_stream() -> None:
    """Text, end, counts; types that may come one day are skipped."""
    texts = [
        {"type": "stream_chunk", "index": 0, "completion": "a"},
        {"type": "stream_chunk", "index": 0, "completion": ""},
        {"type": "news"},
        {"type": "stream_summary", "finish_reason": "end_of_text"},
        {"type": "completion_summary", "optimized_prompt": [], **COUNTS},
    ]

    events = [e for text in texts for e in decode_event(json.dumps(text), NO_PARAMS, ASKED)]

    assert events == [csi.Append("a"), csi.End("stop"), csi.Usage(csi.TokenUsage(3, 2))]


def test_explanations_score_the_text_of_the_prompt() -> None:
    """Scores of the target and of images are left out."""
    items = [
        {"type": "text", "scores": [{"start": 0, "length": 2, "score": 0.5}]},
        {"type": "image", "scores": [{"rect": {}, "score": 1}]},
        {"type": "target", "scores": [{"start": 0, "length": 9, "score": 1}]},
    ]
    body = json.dumps({"explanations": [{"target": "t", "items": items}]})

    assert decode_explanation(body.encode(), ASKED) == [csi.TextScore(0, 2, 0.5)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, ErrorKind.CSI_UPSTREAM),
        ({"completions": [{"completion": "a", "finish_reason": "stop"}]}, ErrorKind.CSI_UPSTREAM),
        ({"completions": [{"completion": "a"}], **COUNTS}, ErrorKind.CSI_UPSTREAM),
        ({"error": "no", "code": "UNKNOWN_MODEL"}, ErrorKind.CSI_UNKNOWN_MODEL),
        ({"error": "busy", "code": "QUEUE_FULL"}, ErrorKind.CSI_RATE_LIMITED),
    ],
)
def test_what_is_no_completion_is_told_by_kind(body: object, kind: ErrorKind) -> None:
    """Errors with status 200, and answers without what was promised."""
    with pytest.raises(DaemonError) as caught:
        decode_completion(json.dumps(body).encode(), NO_PARAMS, ASKED)

    assert caught.value.kind is kind


def test_errors_of_streams_and_explanations_are_told_by_kind() -> None:
    """As those of whole completions are; nothing is nested too deeply to be told."""
    with pytest.raises(DaemonError, match="'large'"):
        decode_event('{"error": {"code": "UNKNOWN_MODEL"}}', NO_PARAMS, ASKED)
    with pytest.raises(DaemonError, match="'large'"):
        decode_explanation(b'{"error": {"code": "UNKNOWN_MODEL"}}', ASKED)
    with pytest.raises(DaemonError, match="no explanation"):
        decode_explanation(b"{}", ASKED)
    with pytest.raises(DaemonError, match="too deeply"):
        decode_explanation(b'{"x":' + b"[" * 100_000, ASKED)


TOKENS = {"completion_tokens": ["a"], "log_probs": [{"a": -1.0, "b": -2.0}]}
PIECE = {"completion": "a", "raw_completion": "a", "finish_reason": "stop"} | TOKENS
ALL = csi.CompletionParams(logprobs=2)


@given(lies({"completions": [PIECE], **COUNTS}))
def test_answers_that_lie_are_read_or_refused(body: bytes) -> None:
    """Whatever stands in any place."""
    answered_or_refused(lambda: decode_completion(body, ALL, ASKED), csi.Completion)


@given(
    lies(
        {"type": "stream_chunk"} | PIECE,
        {"type": "stream_summary", "finish_reason": "stop"},
        {"type": "completion_summary", **COUNTS},
    )
)
def test_chunks_that_lie_are_read_or_refused(body: bytes) -> None:
    """Of every type."""
    answered_or_refused(lambda: decode_event(body.decode(), ALL, ASKED), list[csi.InferenceEvent])


@given(
    lies(
        {
            "explanations": [
                {"items": [{"type": "text", "scores": [{"start": 0, "length": 1, "score": 0.5}]}]}
            ]
        }
    )
)
def test_explanations_that_lie_are_read_or_refused(body: bytes) -> None:
    """Scores among them."""
    answered_or_refused(lambda: decode_explanation(body, ASKED), list[csi.TextScore])
