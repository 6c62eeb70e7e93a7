# world: skill@sdk
"""Everything that the SDK lets a Skill ask of its host, one at a time."""

from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

from pharia_skill import (
    After,
    ChatParams,
    ChatRequest,
    ChunkParams,
    ChunkRequest,
    CompletionParams,
    CompletionRequest,
    Csi,
    DocumentPath,
    EqualTo,
    ExplanationRequest,
    GreaterThan,
    IndexPath,
    InvokeRequest,
    IsNull,
    Language,
    Message,
    MetadataFilter,
    SearchRequest,
    SelectLanguageRequest,
    TopLogprobs,
    With,
    WithOneOf,
    Without,
    skill,
)
from pydantic import BaseModel

INDEX = IndexPath("library", "letters", "all")
FILTERS: list[Any] = [
    With([MetadataFilter("author", EqualTo("Ada"))]),
    WithOneOf([MetadataFilter("page", GreaterThan(1.5))]),
    Without(
        [
            MetadataFilter("draft", IsNull()),
            MetadataFilter("sent", After(datetime(1842, 1, 1, tzinfo=UTC))),
        ]
    ),
]
LANGUAGES = [Language.English, Language.German]


class Input(BaseModel):
    """What to ask for; the rest is what it is asked with."""

    do: str
    model: str = "stub"
    text: str = "Hi"
    name: str = "letter"
    arguments: dict[str, Any] = {}
    count: int = 2


class Output(BaseModel):
    """What the host answered."""

    data: Any = None


def chat(csi: Csi, asked: Input) -> Any:
    params = ChatParams(max_tokens=64, temperature=0.5, top_p=0.9, logprobs=TopLogprobs(2))
    talk = [Message.system("Be kind."), Message.user(asked.text)]
    return csi.chat(asked.model, talk, params)


def chat_again(csi: Csi, asked: Input) -> Any:
    """One after the other."""
    talk = [Message.user(asked.text)]
    return [csi.chat(asked.model, talk).message.content for _ in range(asked.count)]


def chat_many(csi: Csi, asked: Input) -> Any:
    talks = [[Message.user(f"{asked.text} {number}")] for number in range(asked.count)]
    return csi.chat_concurrent([ChatRequest(asked.model, talk, ChatParams()) for talk in talks])


def chat_stream(csi: Csi, asked: Input) -> Any:
    with csi.chat_stream(asked.model, [Message.user(asked.text)]) as answer:
        pieces = [one.content for one in answer.stream()]
        return [answer.role, pieces, answer.finish_reason(), answer.usage()]


def chat_drop(csi: Csi, asked: Input) -> Any:
    """Reads one piece, leaves the stream, and then does something else."""
    with csi.chat_stream(asked.model, [Message.user(asked.text)]) as answer:
        first = next(iter(answer.stream())).content
    return [first, csi.complete(asked.model, "and on").text]


def complete(csi: Csi, asked: Input) -> Any:
    params = CompletionParams(max_tokens=5, stop=["."], echo=False, logprobs=TopLogprobs(1))
    return csi.complete(asked.model, asked.text, params)


def complete_many(csi: Csi, asked: Input) -> Any:
    params = CompletionParams()
    prompts = [f"{asked.text} {number}" for number in range(asked.count)]
    return csi.complete_concurrent([CompletionRequest(asked.model, one, params) for one in prompts])


def completion_stream(csi: Csi, asked: Input) -> Any:
    with csi.completion_stream(asked.model, asked.text) as answer:
        pieces = [one.text for one in answer.stream()]
        return [pieces, answer.finish_reason(), answer.usage()]


def explain(csi: Csi, asked: Input) -> Any:
    return csi.explain_concurrent([ExplanationRequest(asked.text, "t", asked.model)] * asked.count)


def chunk(csi: Csi, asked: Input) -> Any:
    params = ChunkParams(asked.model, max_tokens=2, overlap=1)
    return csi.chunk_concurrent([ChunkRequest(asked.text, params)] * asked.count)


def language(csi: Csi, asked: Input) -> Any:
    texts = [asked.text, ""]
    return csi.select_language_concurrent([SelectLanguageRequest(one, LANGUAGES) for one in texts])


def search(csi: Csi, asked: Input) -> Any:
    return csi.search_concurrent([SearchRequest(INDEX, asked.text, asked.count, 0.1, FILTERS)])


def documents(csi: Csi, asked: Input) -> Any:
    path = DocumentPath("library", "letters", asked.name)
    return [csi.document(path), csi.document_metadata(path)]


def tools(csi: Csi, asked: Input) -> Any:
    return [tool.name for tool in csi.list_tools()]


def tool(csi: Csi, asked: Input) -> Any:
    return csi.invoke_tool(asked.name, **asked.arguments).contents


def tools_many(csi: Csi, asked: Input) -> Any:
    """One that fails does not keep the others from answering."""
    wanted = [InvokeRequest(name, asked.arguments) for name in asked.name.split()]
    return csi.invoke_tool_concurrent(wanted)


def agent(csi: Csi, asked: Input) -> Any:
    """The SDK's own loop: the model calls tools until it has an answer."""
    talk = [Message.user(asked.text)]
    with csi.chat_stream(asked.model, talk, tools=asked.name.split()) as answer:
        said = answer.consume_message().content
    return [said, [one.content for one in talk]]


def fail(csi: Csi, asked: Input) -> Any:
    raise ValueError(asked.text)


DEEDS: dict[str, Callable[[Csi, Input], Any]] = {
    deed.__name__: deed
    for deed in (
        *(
            chat,
            chat_again,
            chat_many,
            chat_stream,
            chat_drop,
            complete,
            complete_many,
            completion_stream,
        ),
        *(explain, chunk, language, search, documents, tools, tool, tools_many, agent, fail),
    )
}


def plain(value: Any) -> Any:
    """As JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


@skill
def csi(csi: Csi, input: Input) -> Output:
    """Asks its host for what its caller wants."""
    return Output(data=plain(DEEDS[input.do](csi, input)))
