"""What the inference interfaces of the worlds 0.3, 0.4 and 0.5 share."""

from daemon.csi import interface as csi
from daemon.engine.wit import (
    BOOL,
    BYTES,
    F64,
    STRING,
    U8,
    U32,
    Enumeration,
    List,
    Option,
    Record,
    Type,
    Variant,
    record,
    struct,
)


def _logprobs(case: str, top: int | None) -> csi.Logprobs:
    if case == "top":
        assert top is not None
        return top
    return "sampled" if case == "sampled" else "no"


LOGPROBS = Variant((("no", None), ("sampled", None), ("top", U8)), make=_logprobs)
_LOGPROB = struct(csi.Logprob, token=BYTES, logprob=F64)
DISTRIBUTIONS = List(struct(csi.Distribution, sampled=_LOGPROB, top=List(_LOGPROB)))
USAGE = struct(csi.TokenUsage, prompt=U32, completion=U32)

_PARAMS: dict[str, Type] = {
    "max_tokens": Option(U32),
    "temperature": Option(F64),
    "top_k": Option(U32),
    "top_p": Option(F64),
    "stop": List(STRING),
    "return_special_tokens": BOOL,
    "frequency_penalty": Option(F64),
    "presence_penalty": Option(F64),
    "logprobs": LOGPROBS,
}


def completion_request(*, echo: bool) -> Record:
    """The request for a completion, in old worlds without `echo`."""
    fields = {**_PARAMS, "echo": BOOL} if echo else _PARAMS
    return struct(
        csi.CompletionRequest,
        model=STRING,
        prompt=STRING,
        params=struct(csi.CompletionParams, **fields),
    )


def completion(finish: Enumeration) -> Record:
    """A finished completion; its value is a tuple, made by the world."""
    return record(text=STRING, finish_reason=finish, logprobs=DISTRIBUTIONS, usage=USAGE)


def completion_event(finish: Enumeration) -> Variant:
    """An event of a completion stream."""
    return Variant(
        (
            ("append", record(text=STRING, logprobs=DISTRIBUTIONS)),
            ("end", finish),
            ("usage", USAGE),
        )
    )
