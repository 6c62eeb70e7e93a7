"""World 0.2: one interface, mostly one request at a time, roles and languages as enums."""

from typing import Any

from daemon.csi import interface as csi
from daemon.engine.wit import (
    BYTES,
    F64,
    STRING,
    U32,
    List,
    Option,
    enumeration,
    record,
    struct,
)
from daemon.engine.worlds.documents import DOCUMENT, DOCUMENT_PATH, INDEX_PATH
from daemon.engine.worlds.hostcall import Interface, function, inexpressible, items

_WORLD = "0.2"
_FINISH = enumeration("stop", "length", "content-filter")
_COMPLETION = record(text=STRING, finish_reason=_FINISH)
_PARAMS = struct(
    csi.CompletionParams,
    max_tokens=Option(U32),
    temperature=Option(F64),
    top_k=Option(U32),
    top_p=Option(F64),
    stop=List(STRING),
)
_REQUEST = struct(csi.CompletionRequest, model=STRING, prompt=STRING, params=_PARAMS)
_MESSAGE = record(role=enumeration("user", "assistant", "system"), content=STRING)
_CHAT_PARAMS = struct(
    csi.ChatParams, max_tokens=Option(U32), temperature=Option(F64), top_p=Option(F64)
)
_CHAT_RESPONSE = record(message=_MESSAGE, finish_reason=_FINISH)
_LANGUAGE = enumeration("eng", "deu")
_SEARCH_RESULT = record(document_path=DOCUMENT_PATH, content=STRING, score=F64)


def _finish(reason: csi.FinishReason) -> str:
    if reason == "tool-calls":
        raise inexpressible("a tool call", _WORLD)
    return reason


def _completion(one: csi.Completion) -> tuple[Any, ...]:
    return one.text, _finish(one.finish_reason)


def _complete(model: str, prompt: str, params: csi.CompletionParams) -> csi.Request:
    return csi.Complete([csi.CompletionRequest(model, prompt, params)])


def _complete_special(model: str, prompt: str, params: csi.CompletionParams) -> csi.Request:
    special = csi.CompletionParams(
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        top_k=params.top_k,
        top_p=params.top_p,
        stop=params.stop,
        return_special_tokens=True,
    )
    return _complete(model, prompt, special)


def _message(message: tuple[str, str]) -> csi.Message:
    role, content = message
    if role == "assistant":
        return csi.AssistantMessage(content)
    return csi.OtherMessage(role, content)


def _chat(model: str, messages: list[tuple[str, str]], params: csi.ChatParams) -> csi.Request:
    return csi.Chat([csi.ChatRequest(model, [_message(one) for one in messages], params)])


def _response(reply: csi.ChatResponses) -> tuple[Any, ...]:
    response = reply.items[0]
    if response.message.content is None:
        raise inexpressible("no text", _WORLD)
    return ("assistant", response.message.content), _finish(response.finish_reason)


def _chunk(text: str, params: tuple[str, int]) -> csi.Request:
    return csi.ChunkTexts([csi.ChunkRequest(text, *params)])


def _search(
    index: csi.IndexPath, query: str, max_results: int, min_score: float | None
) -> csi.Request:
    return csi.Search([csi.SearchRequest(index, query, max_results, min_score)])


def _language(reply: csi.Languages) -> str | None:
    """A language that was not among the candidates can't be named in this world."""
    code = reply.items[0]
    return code if code in _LANGUAGE.cases else None


INTERFACES = (
    Interface(
        "pharia:skill/csi@0.2.10",
        (
            function(
                "complete",
                STRING,
                STRING,
                _PARAMS,
                result=_COMPLETION,
                ask=_complete,
                answer=lambda reply: _completion(reply.items[0]),
            ),
            function(
                "complete-return-special-tokens",
                STRING,
                STRING,
                _PARAMS,
                result=_COMPLETION,
                ask=_complete_special,
                answer=lambda reply: _completion(reply.items[0]),
            ),
            function(
                "complete-all",
                List(_REQUEST),
                result=List(_COMPLETION),
                ask=csi.Complete,
                answer=lambda reply: [_completion(one) for one in reply.items],
            ),
            function(
                "chat",
                STRING,
                List(_MESSAGE),
                _CHAT_PARAMS,
                result=_CHAT_RESPONSE,
                ask=_chat,
                answer=_response,
            ),
            function(
                "chunk",
                STRING,
                record(model=STRING, max_tokens=U32),
                result=List(STRING),
                ask=_chunk,
                answer=lambda reply: [chunk.text for chunk in reply.items[0]],
            ),
            function(
                "select-language",
                STRING,
                List(_LANGUAGE),
                result=Option(_LANGUAGE),
                ask=lambda *request: csi.SelectLanguage([csi.LanguageRequest(*request)]),
                answer=_language,
            ),
            function(
                "search",
                INDEX_PATH,
                STRING,
                U32,
                Option(F64),
                result=List(_SEARCH_RESULT),
                ask=_search,
                answer=lambda reply: [
                    (one.document_path, one.content, one.score) for one in reply.items[0]
                ],
            ),
            function(
                "document-metadata",
                DOCUMENT_PATH,
                result=Option(BYTES),
                ask=lambda path: csi.DocumentMetadata([path]),
                answer=lambda reply: reply.items[0],
            ),
            function(
                "documents",
                List(DOCUMENT_PATH),
                result=List(DOCUMENT),
                ask=csi.Documents,
                answer=items,
            ),
        ),
    ),
)
