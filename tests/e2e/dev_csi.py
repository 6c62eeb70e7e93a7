"""
Calls every method of the public SDK's `DevCsi` once, and prints what it returned as JSON.

Run by the SDK's own Python; the model's name and the namespace are those of the test.
"""

import datetime as dt
import json
from dataclasses import asdict, is_dataclass
from typing import Any

from pharia_skill import (
    ChatParams,
    ChatRequest,
    ChunkParams,
    ChunkRequest,
    CompletionParams,
    CompletionRequest,
    DocumentPath,
    ExplanationRequest,
    IndexPath,
    InvokeRequest,
    Language,
    Message,
    SearchRequest,
    SelectLanguageRequest,
)
from pharia_skill.csi import document_index as index
from pharia_skill.csi.inference import TopLogprobs
from pharia_skill.testing import DevCsi

MODEL = "stub"
TALK = [Message.system("Be kind."), Message.user("Hi"), Message.assistant("Yes?")]
PATH = DocumentPath("library", "letters", "1842")
INDEX = IndexPath("library", "letters", "all")
FILTERS: list[Any] = [
    index.With([index.MetadataFilter("author", index.EqualTo("Ada"))]),
    index.WithOneOf([index.MetadataFilter("page", index.GreaterThan(1.5))]),
    index.Without([index.MetadataFilter("draft", index.IsNull())]),
]


def plain(value: Any) -> Any:
    """As JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def error_of(call: Any) -> str:
    """The text of the error that *call* ends with."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def inference(csi: DevCsi) -> dict[str, Any]:
    """Completions, chats, explanations."""
    params = CompletionParams(max_tokens=5, logprobs=TopLogprobs(1))
    request = CompletionRequest(MODEL, "p", params)
    explanation = ExplanationRequest("Hello", "t", MODEL)
    with csi.completion_stream(MODEL, "p", params) as stream:
        completion = ["".join(one.text for one in stream.stream()), stream.finish_reason()]
    with csi.chat_stream(MODEL, list(TALK), ChatParams(max_tokens=5)) as chat:
        streamed = [chat.role, chat.consume_message().content, chat.finish_reason(), chat.usage()]
    return {
        "complete": csi.complete(MODEL, "p", params),
        "complete_concurrent": csi.complete_concurrent([request, request]),
        "completion_stream": completion,
        "chat": csi.chat(MODEL, TALK, ChatParams(temperature=0.5, logprobs="sampled")),
        "chat_concurrent": csi.chat_concurrent([ChatRequest(MODEL, TALK)] * 2),
        "chat_stream": streamed,
        "chat_stream_step": csi.chat_stream_step(MODEL, TALK).consume_message(),
        "explain": csi.explain("Hello", "t", MODEL),
        "explain_concurrent": csi.explain_concurrent([explanation]),
    }


def texts(csi: DevCsi) -> dict[str, Any]:
    """Chunks and languages."""
    params = ChunkParams(MODEL, max_tokens=1)
    languages = [Language.English, Language.German]
    german = "Dieser Satz ist ganz bestimmt auf Deutsch geschrieben."
    return {
        "chunk": csi.chunk("a b", params),
        "chunk_concurrent": csi.chunk_concurrent([ChunkRequest("a", params)]),
        "select_language": csi.select_language(german, languages),
        "select_language_concurrent": csi.select_language_concurrent(
            [SelectLanguageRequest(german, languages), SelectLanguageRequest("", languages)]
        ),
    }


def documents(csi: DevCsi) -> dict[str, Any]:
    """Search and what it finds."""
    request = SearchRequest(INDEX, "q", 2, 0.5, FILTERS)
    return {
        "search": csi.search(INDEX, "q", 2, 0.5, FILTERS),
        "search_concurrent": csi.search_concurrent([request]),
        "document": csi.document(PATH),
        "documents": csi.documents([PATH]),
        "document_metadata": csi.document_metadata(PATH),
        "documents_metadata": csi.documents_metadata([PATH]),
    }


def tools(csi: DevCsi) -> dict[str, Any]:
    """Listing and calling, by hand and by the model."""
    add = InvokeRequest("add", {"a": 1, "b": 2})
    with csi.chat_stream(MODEL, [Message.user("1 + 2?")], tools=["add"]) as answer:
        said = answer.consume_message().content
    return {
        "list_tools": [tool.name for tool in csi.list_tools()],
        "invoke_tool": csi.invoke_tool("subtract", a=3, b=2),
        "invoke_tool_concurrent": csi.invoke_tool_concurrent([add, InvokeRequest("saboteur", {})]),
        "chat_stream with tools": said,
    }


def errors(csi: DevCsi) -> dict[str, Any]:
    """What goes wrong, as developers see it."""
    return {
        "unknown model": error_of(lambda: csi.chat("no-such-model", TALK)),
        "unknown model, streamed": error_of(lambda: csi.chat_stream("no-such-model", TALK)),
        "failing tool": error_of(lambda: csi.invoke_tool("saboteur")),
        "unknown namespace": error_of(DevCsi(namespace="nowhere").list_tools),
    }


def main() -> None:
    """Call all; one line of JSON per method."""
    csi = DevCsi(namespace="test-beta")
    for part in (tools, inference, texts, documents, errors):
        for name, value in part(csi).items():
            print(json.dumps([name, plain(value)]), flush=True)


if __name__ == "__main__":
    main()
