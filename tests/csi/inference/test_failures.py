import msgspec
import pytest
from hypothesis import given

from daemon.csi.inference.failures import (
    Asked,
    decode,
    explain_refusal,
    malformed,
    read_refusal,
    refused_inside,
)
from daemon.errors import DaemonError, ErrorKind
from tests.lies import lies

ASKED = Asked("chat/completions", "large", "s3cret")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"message":"too long","code":"context_length_exceeded"}}',
         ErrorKind.CSI_BAD_REQUEST),
        (422, b'{"detail":"no"}', ErrorKind.CSI_BAD_REQUEST),
        (400, b'{"error":{"message":"x","code":"invalid_api_key"}}', ErrorKind.CSI_UNAUTHORIZED),
        (401, b"", ErrorKind.CSI_UNAUTHORIZED),
        (403, b"", ErrorKind.CSI_UNAUTHORIZED),
        (404, b'{"error":{"message":"x","code":"model_not_found"}}', ErrorKind.CSI_UNKNOWN_MODEL),
        (404, b'{"error":"no such model","code":"UNKNOWN_MODEL"}', ErrorKind.CSI_UNKNOWN_MODEL),
        (404, b'{"error":{"message":"model \\"large\\" not found, try pulling it first"}}',
         ErrorKind.CSI_UNKNOWN_MODEL),
        (404, b"404 page not found", ErrorKind.CSI_NOT_CONFIGURED),
        (405, b"", ErrorKind.CSI_NOT_CONFIGURED),
        (408, b"", ErrorKind.CSI_TIMEOUT),
        (429, b"", ErrorKind.CSI_RATE_LIMITED),
        (503, b'{"error":"busy","code":"QUEUE_FULL"}', ErrorKind.CSI_RATE_LIMITED),
        (500, b"oops", ErrorKind.CSI_UPSTREAM),
        (504, b"", ErrorKind.CSI_TIMEOUT),
        (302, b"", ErrorKind.CSI_UPSTREAM),
    ],
)  # fmt: skip
def test_status_and_code_decide_the_kind(status: int, body: bytes, kind: ErrorKind) -> None:
    """What OpenAI, vLLM, Ollama and Aleph Alpha say becomes one of our kinds."""
    assert explain_refusal(read_refusal(status, body, ASKED), ASKED).kind is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"error":{"code":"rate_limit_exceeded"}}', ErrorKind.CSI_RATE_LIMITED),
        ('{"error":{"type":"insufficient_quota","code":null}}', ErrorKind.CSI_RATE_LIMITED),
        ('{"error":{"code":"invalid_api_key"}}', ErrorKind.CSI_UNAUTHORIZED),
        ('{"error":{"code":"model_not_found"}}', ErrorKind.CSI_UNKNOWN_MODEL),
        ('{"error":{"message":"does not exist","code":404}}', ErrorKind.CSI_UNKNOWN_MODEL),
        ('{"error":{"message":"logprobs","type":"BadRequestError"}}', ErrorKind.CSI_BAD_REQUEST),
        ('{"object":"error","message":"too long","code":400}', ErrorKind.CSI_BAD_REQUEST),
        ('{"code":400,"details":"logprobs"}', ErrorKind.CSI_BAD_REQUEST),
        ('{"error":{"code":"server_error"}}', ErrorKind.CSI_UPSTREAM),
        ('{"error":"overloaded"}', ErrorKind.CSI_UPSTREAM),
        ("gibberish", ErrorKind.CSI_UPSTREAM),
    ],
)
def test_an_error_inside_an_answer_keeps_its_kind(body: str, kind: ErrorKind) -> None:
    """Where no status tells, a numeric code or the name of one does."""
    assert refused_inside(body, ASKED).kind is kind


def test_an_error_inside_an_answer_claims_no_status() -> None:
    """The text doesn't invent a status that nobody sent."""
    error = refused_inside('{"error":{"message":"cuda"}}', ASKED)

    assert error.detail == "the inference backend failed while it answered: cuda"


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"bad header Bearer s3cret"}}',
        b'{"echo":"s3c\\u0072et"}',
        b"plain s3cret",
        b'{"error":{"message":"' + b"x" * 996 + b's3cret"}}',
    ],
)
def test_the_token_shows_in_no_text(body: bytes) -> None:
    """Neither as it is, nor escaped, nor cut in the middle."""
    for error in (
        explain_refusal(read_refusal(400, body, ASKED), ASKED),
        refused_inside(body, ASKED),
    ):
        assert "s3c" not in error.detail
    assert "s3cret" not in repr(ASKED)


def test_only_a_rate_limit_and_passing_trouble_are_repeatable() -> None:
    """A used-up quota and a plain 500 will not be better in a moment."""
    spent = b'{"error":{"code":"insufficient_quota"}}'

    repeatable = {
        status
        for status in range(300, 600)
        if read_refusal(status, b"", ASKED).repeatable
    }  # fmt: skip

    assert repeatable == {429, 502, 503, 504}
    assert not read_refusal(429, spent, ASKED).repeatable


class _Thing(msgspec.Struct):
    a: str


@pytest.mark.parametrize("text", [b"{", b'{"a":1}', b'{"b":' + b"[" * 100_000, b'"\xff"'])
def test_what_does_not_decode_is_a_malformed_answer(text: bytes) -> None:
    """Broken JSON, wrong types, broken UTF-8 and endless nesting are the backend's fault."""
    with pytest.raises(DaemonError, match="malformed answer") as caught:
        decode(msgspec.json.Decoder(_Thing | str), text)

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


def test_a_malformed_answer_says_what_is_wrong() -> None:
    """The reason is part of the text."""
    assert malformed("no end").detail == "the inference backend gave a malformed answer: no end"


@given(lies({"error": {"message": "m", "code": "c", "type": "t"}}, {"detail": "m", "code": 404}))
def test_refusals_that_lie_are_told(body: bytes) -> None:
    """Whatever stands in any place."""
    for error in (
        refused_inside(body, ASKED),
        explain_refusal(read_refusal(404, body, ASKED), ASKED),
    ):
        assert error.kind.startswith("csi-")
        error.detail.encode()
