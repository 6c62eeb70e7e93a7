"""World 0.2: single requests, enums for roles and languages."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.worlds.v0_2 import INTERFACES
from daemon.errors import DaemonError, ErrorKind
from tests.engine.worlds.calls import find, serve

_USAGE = csi.TokenUsage(1, 2)
_NO_PARAMS = (None, None, None, None, [])


def _csi(name: str):  # type: ignore[no-untyped-def]
    return find(INTERFACES, "pharia:skill/csi", name)


@pytest.mark.parametrize(
    ("name", "special"), [("complete", False), ("complete-return-special-tokens", True)]
)
def test_complete(name: str, special: bool) -> None:
    """Whether special tokens come back is the function's name."""
    reply = csi.Completions([csi.Completion("out", "length", _USAGE)])
    params = (10, 0.5, 3, 0.9, ["."])

    told, asked = serve(_csi(name), "m", "p", params, replies=[reply])

    wanted = csi.CompletionParams(10, 0.5, 3, 0.9, ["."], special)
    assert asked == [csi.Complete([csi.CompletionRequest("m", "p", wanted)])]
    assert told == ("out", "length")


def test_complete_all_keeps_the_order() -> None:
    """One message to the host for all."""
    replies = [csi.Completions([csi.Completion(x, "stop", _USAGE) for x in "ab"])]
    requests = [("m", "1", _NO_PARAMS), ("m", "2", _NO_PARAMS)]

    told, asked = serve(_csi("complete-all"), requests, replies=replies)

    assert asked == [csi.Complete([csi.CompletionRequest("m", p) for p in "12"])]
    assert told == [("a", "stop"), ("b", "stop")]


def test_chat_maps_roles() -> None:
    """`assistant` is a kind of message since 0.4, the others are roles."""
    reply = csi.ChatResponses([csi.ChatResponse(csi.AssistantMessage("yes"), "stop", _USAGE)])
    talk = [("system", "s"), ("user", "u"), ("assistant", "a")]

    told, asked = serve(_csi("chat"), "m", talk, (1, None, None), replies=[reply])

    messages: list[csi.Message] = [
        csi.OtherMessage("system", "s"),
        csi.OtherMessage("user", "u"),
        csi.AssistantMessage("a"),
    ]
    assert asked == [csi.Chat([csi.ChatRequest("m", messages, csi.ChatParams(max_tokens=1))])]
    assert told == (("assistant", "yes"), "stop")


@pytest.mark.parametrize(
    "response",
    [
        csi.ChatResponse(csi.AssistantMessage(None), "stop", _USAGE),
        csi.ChatResponse(csi.AssistantMessage("x"), "tool-calls", _USAGE),
    ],
)
def test_what_the_world_cannot_express_is_an_error(response: csi.ChatResponse) -> None:
    """Rather than an empty text or a wrong reason."""
    with pytest.raises(DaemonError) as caught:
        serve(_csi("chat"), "m", [], (None, None, None), replies=[csi.ChatResponses([response])])

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


def test_chunk_and_language() -> None:
    """A language outside of the enum counts as undecided."""
    chunks = csi.Chunks([[csi.Chunk("a", 0), csi.Chunk("b", 1)]])
    told, asked = serve(_csi("chunk"), "ab", ("m", 5), replies=[chunks])
    assert (told, asked) == (["a", "b"], [csi.ChunkTexts([csi.ChunkRequest("ab", "m", 5)])])

    detect = _csi("select-language")
    told, asked = serve(detect, "hi", ["eng", "deu"], replies=[csi.Languages(["eng"])])
    assert asked == [csi.SelectLanguage([csi.LanguageRequest("hi", ["eng", "deu"])])]
    assert told == "eng"
    assert serve(detect, "hi", [], replies=[csi.Languages(["fra"])])[0] is None


def test_search_and_documents() -> None:
    """Cursors are not told, images come without their bytes."""
    path, cursor = csi.DocumentPath("n", "c", "d"), csi.TextCursor(0, 0)
    results = csi.SearchResults([[csi.SearchResult(path, "text", 0.5, cursor, cursor)]])
    told, asked = serve(_csi("search"), ("n", "c", "i"), "q", 3, None, replies=[results])
    assert asked == [csi.Search([csi.SearchRequest(csi.IndexPath("n", "c", "i"), "q", 3)])]
    assert told == [(("n", "c", "d"), "text", 0.5)]

    found = csi.DocumentsFound([csi.Document(path, ["text", None], b"{}")])
    told, asked = serve(_csi("documents"), [("n", "c", "d")], replies=[found])
    assert asked == [csi.Documents([path])]
    assert told == [(("n", "c", "d"), [("text", "text"), ("image", None)], b"{}")]

    told, asked = serve(
        _csi("document-metadata"), ("n", "c", "d"), replies=[csi.MetadataFound([None])]
    )
    assert (told, asked) == (None, [csi.DocumentMetadata([path])])
