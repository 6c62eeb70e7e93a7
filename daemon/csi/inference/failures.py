"""
What a backend's refusal means to the caller. Pure.

Reads the error bodies of OpenAI, vLLM, Ollama and Aleph Alpha. Leaves out repeating (`http`).
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from daemon.errors import DaemonError, ErrorKind

_UNKNOWN_MODEL = frozenset({"model_not_found", "unknown_model"})
_BAD_KEY = frozenset({"invalid_api_key"})
_MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status of 300 or more (or an error inside a stream), and what came with it."""

    status: int
    code: str
    text: str
    retry_after: float | None = None

    @property
    def repeatable(self) -> bool:
        """Whether the same request may succeed soon and nothing was done yet."""
        if self.status == 429:
            return self.code != "insufficient_quota"
        return self.status in {502, 503, 504}


def read_refusal(
    status: int, body: bytes, *, retry_after: str | None = None, secret: str | None = None
) -> Refusal:
    """Find code and text in *body*; *secret* is blotted out of the text."""
    code, text = _code_and_text(body)
    if secret:
        text = text.replace(secret, "********")
    return Refusal(status, code.lower(), text[:_MAX_TEXT].strip(), _seconds(retry_after))


def explain_refusal(refusal: Refusal, *, path: str, model: str) -> DaemonError:
    """Say it in terms of our kinds; *path* is what was asked of the backend."""
    kind = _kind(refusal, model)
    said = f": {refusal.text}" if refusal.text else ""
    texts = {
        # The backend's own text may quote the key, so it is left out.
        ErrorKind.CSI_UNAUTHORIZED: "the inference backend refused the token",
        ErrorKind.CSI_UNKNOWN_MODEL: f"the model {model!r} was not found; check the name against "
        "the models that the inference backend offers",
        ErrorKind.CSI_NOT_CONFIGURED: f"this inference backend does not support /{path} "
        f"(it answered {refusal.status}); use another function or backend",
        ErrorKind.CSI_RATE_LIMITED: f"the inference backend limits the rate of requests{said}",
        ErrorKind.CSI_TIMEOUT: f"the inference backend ran out of time{said}",
        ErrorKind.CSI_BAD_REQUEST: f"the inference backend refused the request{said}",
    }
    failed = f"the inference backend failed with status {refusal.status}{said}"
    return DaemonError(kind, texts.get(kind, failed), retry_after=refusal.retry_after)


def malformed(reason: str) -> DaemonError:
    """An answer that breaks the protocol."""
    return DaemonError(
        ErrorKind.CSI_UPSTREAM, f"the inference backend gave a malformed answer: {reason}"
    )


def _kind(refusal: Refusal, model: str) -> ErrorKind:
    status = refusal.status
    if refusal.code in _BAD_KEY or status in {401, 403}:
        return ErrorKind.CSI_UNAUTHORIZED
    if refusal.code in _UNKNOWN_MODEL or (status == 404 and model and model in refusal.text):
        return ErrorKind.CSI_UNKNOWN_MODEL
    by_status = {
        404: ErrorKind.CSI_NOT_CONFIGURED,
        405: ErrorKind.CSI_NOT_CONFIGURED,
        408: ErrorKind.CSI_TIMEOUT,
        429: ErrorKind.CSI_RATE_LIMITED,
        504: ErrorKind.CSI_TIMEOUT,
    }
    otherwise = ErrorKind.CSI_BAD_REQUEST if 400 <= status < 500 else ErrorKind.CSI_UPSTREAM
    return by_status.get(status, otherwise)


def _code_and_text(body: bytes) -> tuple[str, str]:
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", body.decode(errors="replace")
    outer = answer if isinstance(answer, dict) else {}
    inner = outer.get("error", outer)
    if not isinstance(inner, dict):
        return str(outer.get("code") or ""), str(inner)
    text = inner.get("message") or inner.get("detail") or body.decode(errors="replace")
    return str(inner.get("code") or inner.get("type") or ""), str(text)


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds; a date is rare here and ignored."""
    return float(text) if text and text.strip().isdecimal() else None
