"""
The native format of Aleph Alpha's inference: our types to JSON and back. Pure.

Leaves out chat, for which it speaks OpenAI's format (`chat_format`).
"""

from typing import Any

import msgspec

from daemon.csi import interface as csi
from daemon.csi.inference.failures import NULL, Asked, decode, malformed, refused_inside
from daemon.csi.interface.value import U32

_PLAIN_PARAMS = ("temperature", "top_k", "top_p", "frequency_penalty", "presence_penalty")
_FINISH: dict[str, csi.FinishReason] = {
    "length": "length",
    "maximum_tokens": "length",
    "stop": "stop",
    "end_of_text": "stop",
    "stop_sequence_reached": "stop",
    "content_filter": "content-filter",
}


def encode_completion(request: csi.CompletionRequest, *, stream: bool = False) -> bytes:
    """Return the body of `/complete`; what is not set is left out."""
    params = request.params
    body: dict[str, Any] = {"model": request.model, "prompt": _prompt(request.prompt)}
    body |= {name: value for name in _PLAIN_PARAMS if (value := getattr(params, name)) is not None}
    if params.max_tokens is not None:
        body["maximum_tokens"] = params.max_tokens
    if params.stop:
        body["stop_sequences"] = params.stop
    if params.logprobs != "no":
        top = 0 if params.logprobs == "sampled" else params.logprobs
        body |= {"log_probs": top, "tokens": True}
    flags = {"raw_completion": params.return_special_tokens, "echo": params.echo, "stream": stream}
    body |= {name: True for name, wanted in flags.items() if wanted}
    return msgspec.json.encode(body)


def encode_explanation(request: csi.ExplanationRequest) -> bytes:
    """Return the body of `/explain`."""
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": _prompt(request.prompt),
        "target": request.target,
    }
    if request.granularity != "auto":
        body["prompt_granularity"] = {"type": request.granularity}
    return msgspec.json.encode(body)


def _prompt(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "data": text}]


class _Piece(msgspec.Struct):
    completion: str | None = None
    raw_completion: str | None = None
    completion_tokens: list[str] | None = None
    log_probs: list[dict[str, float | None]] | None = None
    finish_reason: str | None = None


class _Whole(msgspec.Struct):
    completions: list[_Piece] = []
    num_tokens_prompt_total: U32 | None = None
    num_tokens_generated: U32 | None = None
    error: msgspec.Raw = NULL


class _Event(_Piece):
    type: str = ""
    num_tokens_prompt_total: U32 = 0
    num_tokens_generated: U32 = 0
    error: msgspec.Raw = NULL


class _Score(msgspec.Struct):
    start: U32
    length: U32
    score: float


class _Item(msgspec.Struct):
    type: str
    scores: list[msgspec.Raw] = []


class _Explanation(msgspec.Struct):
    items: list[_Item]


class _Explanations(msgspec.Struct):
    explanations: list[_Explanation] = []
    error: msgspec.Raw = NULL


_wholes = msgspec.json.Decoder(_Whole)
_events = msgspec.json.Decoder(_Event)
_explanations = msgspec.json.Decoder(_Explanations)
_scores = msgspec.json.Decoder(_Score)


def decode_completion(body: bytes, params: csi.CompletionParams, asked: Asked) -> csi.Completion:
    """Read a whole answer. Raises DaemonError, CSI_UPSTREAM if it is malformed."""
    answer = decode(_wholes, body)
    _check(answer.error, body, asked)
    if not answer.completions:
        raise malformed("it has no completion")
    piece = answer.completions[0]
    if answer.num_tokens_prompt_total is None or answer.num_tokens_generated is None:
        raise malformed("its numbers of tokens are missing")
    usage = csi.TokenUsage(answer.num_tokens_prompt_total, answer.num_tokens_generated)
    reason = _finish(piece.finish_reason, asked)
    return csi.Completion(_text(piece, params), reason, usage, _distributions(piece, params))


def decode_event(data: str, params: csi.CompletionParams, asked: Asked) -> list[csi.InferenceEvent]:
    """Return the events of one chunk; an unknown type gives none."""
    event = decode(_events, data)
    _check(event.error, data, asked)
    match event.type:
        case "stream_chunk":
            text = _text(event, params)
            found = _distributions(event, params)
            return [csi.Append(text, found)] if text or found else []
        case "stream_summary":
            return [csi.End(_finish(event.finish_reason, asked))]
        case "completion_summary":
            usage = csi.TokenUsage(event.num_tokens_prompt_total, event.num_tokens_generated)
            return [csi.Usage(usage)]
        case _:
            return []


def decode_explanation(body: bytes, asked: Asked) -> list[csi.TextScore]:
    """Return the scores of the prompt's text, not those of the target."""
    answer = decode(_explanations, body)
    _check(answer.error, body, asked)
    if not answer.explanations:
        raise malformed("it has no explanation")
    items = (item for item in answer.explanations[0].items if item.type == "text")
    scores = (decode(_scores, bytes(score)) for item in items for score in item.scores)
    return [csi.TextScore(score.start, score.length, score.score) for score in scores]


def _check(error: msgspec.Raw, text: str | bytes, asked: Asked) -> None:
    if bytes(error) != b"null":
        raise refused_inside(text, asked)


def _finish(reason: str | None, asked: Asked) -> csi.FinishReason:
    found = _FINISH.get(reason or "")
    if found is None:
        raise malformed(f"unknown finish reason {asked.quote(reason or '', limit=40)!r}")
    return found


def _text(piece: _Piece, params: csi.CompletionParams) -> str:
    if params.return_special_tokens and piece.raw_completion is not None:
        return piece.raw_completion
    return piece.completion or ""


def _distributions(piece: _Piece, params: csi.CompletionParams) -> list[csi.Distribution]:
    """Each position lists the most likely tokens and, always, the sampled one."""
    wanted = params.logprobs if isinstance(params.logprobs, int) else 0
    found = []
    for token, tops in zip(piece.completion_tokens or [], piece.log_probs or [], strict=False):
        sampled = tops.get(token)
        if sampled is None:  # the first token of an echoed prompt
            continue
        known = [(name, value) for name, value in tops.items() if value is not None]
        likely = sorted(known, key=lambda it: it[1], reverse=True)[:wanted]
        found.append(csi.Distribution(_logprob(token, sampled), [_logprob(*it) for it in likely]))
    return found


def _logprob(token: str, value: float) -> csi.Logprob:
    return csi.Logprob(token.encode(errors="replace"), value)
