"""
What a backend's refusal means to the caller. Pure.

Reads the error bodies of OpenAI, vLLM, llama.cpp, Ollama and Aleph Alpha, which come with a status
or inside a stream that began well. The texts show what the backend said, never the token it was
sent, and no address of the backend: callers are strangers to the operator's network. Leaves out
repeating (`http`).
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from daemon.errors import DaemonError, ErrorKind

INFERENCE = "the inference backend"
NULL = msgspec.Raw(b"null")
"""What an optional raw member is by default; `Raw | None` would refuse every value."""

_UNKNOWN_MODEL = frozenset({"model_not_found", "unknown_model"})
# Inside a stream the code stands for the status too.
_STATUS = {
    "bad_request": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "notfounderror": 404,
    "not_found_error": 404,
    "unknown_model": 404,
    "insufficient_quota": 429,
    "queue_full": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 503,
    "timeout": 504,
}
_KINDS = {
    401: ErrorKind.CSI_UNAUTHORIZED,
    403: ErrorKind.CSI_UNAUTHORIZED,
    404: ErrorKind.CSI_NOT_CONFIGURED,
    405: ErrorKind.CSI_NOT_CONFIGURED,
    408: ErrorKind.CSI_TIMEOUT,
    429: ErrorKind.CSI_RATE_LIMITED,
    504: ErrorKind.CSI_TIMEOUT,
}
_MAX_TEXT = 1000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a backend was asked, for the texts of errors. `secret` shows up in none of them.

    `who` is the backend, as a caller knows it.
    """

    path: str
    model: str
    secret: str | None = field(default=None, repr=False)
    who: str = INFERENCE

    def quote(self, text: str, *, limit: int = _MAX_TEXT) -> str:
        """Return the backend's *text*, fit to be shown."""
        if self.secret:  # first, lest the cut leaves a part of it
            text = text.replace(self.secret, "********")
        return text[:limit].strip()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status of 300 or more, or an error *inside* an answer that began well."""

    status: int
    code: str
    text: str
    retry_after: float | None = None
    inside: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether the same request may succeed soon and nothing was done yet."""
        if self.status == 429:
            return self.code != "insufficient_quota"
        return self.status in {502, 503, 504}


def read_refusal(status: int, body: bytes, asked: Asked) -> Refusal:
    """Find code and text in *body*."""
    code, text = _code_and_text(body)
    return Refusal(status, code, asked.quote(text))


def refused_inside(body: str | bytes, asked: Asked) -> DaemonError:
    """Explain an error that came in place of (a part of) an answer."""
    code, text = _code_and_text(body.encode() if isinstance(body, str) else body)
    status = int(code) if code.isdecimal() and len(code) == 3 else _STATUS.get(code, 500)
    return explain_refusal(Refusal(status, code, asked.quote(text), inside=True), asked)


def explain_refusal(refusal: Refusal, asked: Asked) -> DaemonError:
    """Say it in terms of our kinds."""
    kind = _kind(refusal, asked)
    said = f": {refusal.text}" if refusal.text else ""
    who = asked.who
    texts = {
        # The text that comes with 401 may quote parts of the key, so it is left out.
        ErrorKind.CSI_UNAUTHORIZED: f"{who} refused the token"
        + (said if refusal.status == 403 else ""),
        ErrorKind.CSI_UNKNOWN_MODEL: f"the model {asked.model!r} was not found; check the name "
        f"against the models that {who} offers",
        ErrorKind.CSI_NOT_CONFIGURED: f"{who} does not support /{asked.path} "
        f"(it answered {refusal.status}); use another function or backend",
        ErrorKind.CSI_RATE_LIMITED: f"{who} limits the rate of requests{said}",
        ErrorKind.CSI_TIMEOUT: f"{who} ran out of time{said}",
        ErrorKind.CSI_BAD_REQUEST: f"{who} refused the request{said}",
    }
    how = "while it answered" if refusal.inside else f"with status {refusal.status}"
    failed = f"{who} failed {how}{said}"
    return DaemonError(kind, texts.get(kind, failed), retry_after=refusal.retry_after)


def malformed(reason: str, who: str = INFERENCE) -> DaemonError:
    """An answer that breaks the protocol; *reason* is in our words, or quoted."""
    return DaemonError(ErrorKind.CSI_UPSTREAM, f"{who} gave a malformed answer: {reason}")


def decode(decoder: msgspec.json.Decoder[_T], text: str | bytes, who: str = INFERENCE) -> _T:
    """Decode what *who* sent. Raises DaemonError(CSI_UPSTREAM) if it is not of the type."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(str(error), who) from error
    except RecursionError as error:
        raise malformed("its JSON is nested too deeply", who) from error


def _kind(refusal: Refusal, asked: Asked) -> ErrorKind:
    if refusal.code in {"invalid_api_key", "queue_full"}:
        return _KINDS[_STATUS[refusal.code]]
    named = bool(asked.model) and asked.model in refusal.text
    if refusal.code in _UNKNOWN_MODEL or (refusal.status == 404 and (named or refusal.inside)):
        return ErrorKind.CSI_UNKNOWN_MODEL
    client_error = 400 <= refusal.status < 500
    otherwise = ErrorKind.CSI_BAD_REQUEST if client_error else ErrorKind.CSI_UPSTREAM
    return _KINDS.get(refusal.status, otherwise)


def _code_and_text(body: bytes) -> tuple[str, str]:
    """The code is in lower case, and empty if there is none."""
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", body.decode(errors="replace")
    outer = answer if isinstance(answer, dict) else {}
    inner = outer.get("error", outer)
    if not isinstance(inner, dict):
        return str(outer.get("code") or "").lower(), str(inner)
    said = (inner.get(name) for name in ("message", "detail", "details"))
    # Written anew, for an escape sequence would hide a token.
    text = next(filter(None, said), None) or (
        msgspec.json.encode(answer).decode() if answer else ""
    )
    return str(inner.get("code") or inner.get("type") or "").lower(), str(text)
