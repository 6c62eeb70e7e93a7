"""
The legacy interface, `POST /csi`: version and function stand in the body.

It answers like `/csi/v1` would, with less in requests and answers. Only the versions 0.2 and 0.3
were ever spoken here; for others the text tells where to go. Leaves out streams and tools, which
these versions don't have.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from daemon.api.csi import documents, inference, texts
from daemon.api.csi.body import BATCH, Shape, decode
from daemon.api.csi.functions import V1, Batch, batch
from daemon.csi import interface as csi
from daemon.csi.context import HostContext
from daemon.csi.interface.value import U32
from daemon.errors import DaemonError, ErrorKind

Json = dict[str, Any]
Answer = Callable[[bytes, HostContext], Awaitable[object]]

_NEWEST = (0, 5)
_VERSION = re.compile(r"\s*[\^~=]?\s*(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?\s*")


class _Envelope(Shape, frozen=True):
    version: Any = None
    function: Any = None


async def answer(body: bytes, context: HostContext) -> object:
    """JSON text in, what JSON shall say out. Raises DaemonError."""
    envelope = decode(body, _ENVELOPE)
    functions = _functions(envelope.version)
    name = envelope.function
    if not isinstance(name, str) or name not in functions:
        shown = repr(name) if isinstance(name, str) else "without a name"
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST,
            f"There is no function {shown} in version {envelope.version} of the CSI; "
            f"it has {', '.join(sorted(functions))}.",
        )
    return await functions[name](body, context)


def _functions(version: object) -> Mapping[str, Answer]:
    """Those of *version*. Raises DaemonError with the truth about all other versions."""
    if isinstance(version, str) and version in _VERSIONS:
        return _VERSIONS[version]
    raise DaemonError(ErrorKind.MALFORMED_REQUEST, _wrong(version))


def _wrong(version: object) -> str:
    found = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if found is None:
        return (
            'A valid CSI version is required, for example "version": "0.3". '
            "Upgrade your SDK, or use /csi/v1."
        )
    major_minor = (int(found[1]), int(found[2] or 0))
    if major_minor > _NEWEST:
        return (
            f"The CSI version {version} is not supported by this server yet. "
            "Upgrade the server, or downgrade your SDK."
        )
    if major_minor in {(0, 4), (0, 5)}:
        return (
            f"The CSI version {version} is not served at /csi: "
            "its functions are at /csi/v1 and /csi/v2."
        )
    if major_minor in {(0, 2), (0, 3)}:
        return f'Write the CSI version {version} as "{found[1]}.{found[2]}".'
    return f"The CSI version {version} is no longer supported. Upgrade your SDK."


# Version 0.3 ----------------------------------------------------------------------------------


class _Message(Shape, frozen=True):
    role: str
    content: str

    def message(self) -> csi.Message:
        if self.role.lower() == "assistant":
            return csi.AssistantMessage(self.content)
        return csi.OtherMessage(self.role, self.content)


class _Chat03(Shape, frozen=True):
    model: str
    messages: list[_Message]
    params: inference.ChatParams03

    def request(self) -> csi.ChatRequest:
        messages = [one.message() for one in self.messages]
        return csi.ChatRequest(self.model, messages, self.params.params())


def _chat_03(_: object, response: csi.ChatResponse) -> Json:
    return _chat_02(_, response) | {
        "logprobs": inference.distributions(response.logprobs),
        "usage": inference.usage(response.usage),
    }


def _many(function: Batch, shape: type[Shape]) -> Answer:
    """The function on `requests`, a list of *shape*."""
    listed: Any = Annotated[list[shape], BATCH]  # type: ignore[valid-type]
    kind = msgspec.defstruct("Requests", [("requests", listed)])
    decoder = msgspec.json.Decoder(kind)

    async def answer(body: bytes, context: HostContext) -> list[object]:
        asked: Any = decode(body, decoder)
        return await function.answers(asked.requests, context)

    return answer


# Version 0.2 ----------------------------------------------------------------------------------


class _ChatParams02(Shape, frozen=True):
    max_tokens: U32 | None = None
    temperature: float | None = None
    top_p: float | None = None

    def params(self) -> csi.ChatParams:
        return csi.ChatParams(
            max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p
        )


class _Chat02(Shape, frozen=True):
    model: str
    messages: list[_Message]
    params: _ChatParams02

    def request(self) -> csi.ChatRequest:
        messages = [one.message() for one in self.messages]
        return csi.ChatRequest(self.model, messages, self.params.params())


def _chat_02(_: object, response: csi.ChatResponse) -> Json:
    return {
        "message": {"role": "assistant", "content": inference.spoken(response)},
        "finish_reason": inference.finish_reason(response.finish_reason),
    }


class _ChunkParams02(Shape, frozen=True):
    model: str
    max_tokens: U32


class _Chunk02(Shape, frozen=True):
    text: str
    params: _ChunkParams02

    def request(self) -> csi.ChunkRequest:
        return csi.ChunkRequest(self.text, self.params.model, self.params.max_tokens)


class _CompletionParams02(Shape, frozen=True, kw_only=True):
    return_special_tokens: bool = False
    max_tokens: U32 | None = None
    temperature: float | None = None
    top_k: U32 | None = None
    top_p: float | None = None
    stop: list[str]

    def params(self) -> csi.CompletionParams:
        return csi.CompletionParams(**msgspec.structs.asdict(self))


class _Completion02(Shape, frozen=True):
    prompt: str
    model: str
    params: _CompletionParams02

    def request(self) -> csi.CompletionRequest:
        return csi.CompletionRequest(self.model, self.prompt, self.params.params())


def _completion_02(_: object, done: csi.Completion) -> Json:
    return {"text": done.text, "finish_reason": inference.finish_reason(done.finish_reason)}


class _DocumentMetadata02(Shape, frozen=True):
    document_path: documents.Path

    def request(self) -> csi.DocumentPath:
        return self.document_path.request()


def _found_02(_: Any, results: list[csi.SearchResult]) -> list[Json]:
    return [
        {"document_path": documents.path(one.document_path), "content": one.content}
        | {"score": one.score}
        for one in results
    ]


class _Language02(Shape, frozen=True):
    text: str
    languages: list[Literal["eng", "deu"]]

    def request(self) -> csi.LanguageRequest:
        return csi.LanguageRequest(self.text, list(self.languages))


def _one(
    shape: type[Shape], ask: Callable[[Any], csi.Request], tell: Callable[[Any, Any], object]
) -> Answer:
    """A function whose arguments stand beside its name."""
    function = batch(shape, ask, tell)
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)

    async def answer(body: bytes, context: HostContext) -> object:
        return (await function.answers([decode(body, decoder)], context))[0]

    return answer


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_SHAPES_03: Mapping[str, type[Shape]] = {
    "chunk": texts.Chunk,
    "chunk_with_offsets": texts.ChunkWithOffsets,
    "complete": inference.Completion03,
    "documents": documents.Path,
    "document_metadata": documents.Path,
    "explain": inference.Explanation,
    "search": documents.Search,
    "select_language": texts.Language,
}
_VERSIONS: Mapping[str, Mapping[str, Answer]] = {
    "0.3": {
        "chat": _many(batch(_Chat03, csi.Chat, _chat_03), _Chat03),
        **{name: _many(V1[name], shape) for name, shape in _SHAPES_03.items()},
    },
    "0.2": {
        "chat": _one(_Chat02, csi.Chat, _chat_02),
        "chunk": _one(_Chunk02, csi.ChunkTexts, texts.chunks),
        "complete": _one(_Completion02, csi.Complete, _completion_02),
        "complete_all": _many(batch(_Completion02, csi.Complete, _completion_02), _Completion02),
        "documents": _many(V1["documents"], documents.Path),
        "document_metadata": _one(_DocumentMetadata02, csi.DocumentMetadata, documents.metadata),
        "search": _one(documents.Search02, csi.Search, _found_02),
        "select_language": _one(_Language02, csi.SelectLanguage, texts.language),
    },
}
