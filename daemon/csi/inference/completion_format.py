"""
The older completion format of OpenAI: our types to JSON and back. Pure.

`return_special_tokens` has no counterpart there and is left to the backend.
"""

from typing import Any

import msgspec

from daemon.csi import interface as csi
from daemon.csi.inference.chat_format import Numbered, WireUsage, finish_reason, first_choice
from daemon.csi.inference.failures import NULL, Asked, decode, malformed, refused_inside

_PLAIN_PARAMS = (
    "max_tokens", "temperature", "top_k", "top_p", "frequency_penalty", "presence_penalty",
)  # fmt: skip


def encode_completion(request: csi.CompletionRequest, *, stream: bool = False) -> bytes:
    """Return the body; what is not set is left out."""
    params = request.params
    body: dict[str, Any] = {"model": request.model, "prompt": request.prompt}
    body |= {name: value for name in _PLAIN_PARAMS if (value := getattr(params, name)) is not None}
    if params.stop:
        body["stop"] = params.stop
    if params.echo:
        body["echo"] = True
    if params.logprobs != "no":
        body["logprobs"] = 0 if params.logprobs == "sampled" else params.logprobs
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


class _Logprobs(msgspec.Struct):
    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    top_logprobs: list[dict[str, float] | None] | None = None


class _Choice(Numbered):
    text: str = ""
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = NULL
    object: str = ""


_answers = msgspec.json.Decoder(_Answer)


def decode_completion(body: bytes, asked: Asked) -> csi.Completion:
    """Read a whole answer. Raises DaemonError, CSI_UPSTREAM if it is malformed."""
    answer = _decode(body, asked)
    choice = first_choice(answer.choices)
    if choice is None:
        raise malformed("it has no choice")
    if choice.finish_reason is None or answer.usage is None:
        raise malformed("finish_reason or usage is missing")
    reason = finish_reason(choice.finish_reason, asked)
    return csi.Completion(
        choice.text, reason, answer.usage.plain(), _distributions(choice.logprobs)
    )


def decode_completion_chunk(data: str, asked: Asked) -> list[csi.InferenceEvent]:
    """Return the events of a chunk, in order. Raises DaemonError, as above."""
    answer = _decode(data, asked)
    events: list[csi.InferenceEvent] = []
    choice = first_choice(answer.choices)
    if choice is not None:
        logprobs = _distributions(choice.logprobs)
        if choice.text or logprobs:
            events.append(csi.Append(choice.text, logprobs))
        if choice.finish_reason:
            events.append(csi.End(finish_reason(choice.finish_reason, asked)))
    if answer.usage is not None:
        events.append(csi.Usage(answer.usage.plain()))
    return events


def _decode(text: str | bytes, asked: Asked) -> _Answer:
    answer = decode(_answers, text)
    if bytes(answer.error) != b"null" or answer.object == "error":
        raise refused_inside(text, asked)
    return answer


def _distributions(logprobs: _Logprobs | None) -> list[csi.Distribution]:
    """An echoed prompt's first token has no probability, so it has no entry."""
    if logprobs is None:
        return []
    tops = logprobs.top_logprobs or [None] * len(logprobs.tokens)
    return [
        csi.Distribution(_logprob(token, value), [_logprob(*it) for it in (top or {}).items()])
        for token, value, top in zip(logprobs.tokens, logprobs.token_logprobs, tops, strict=False)
        if value is not None
    ]


def _logprob(token: str, value: float) -> csi.Logprob:
    return csi.Logprob(token.encode(errors="replace"), value)
