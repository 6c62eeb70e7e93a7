"""Chunking, language and tools of the newer worlds."""

from daemon.csi import interface as csi
from daemon.engine.worlds.v0_4 import INTERFACES
from tests.engine.worlds.calls import find, serve


def test_chunks_with_and_without_offsets() -> None:
    """One request of the host for both."""
    reply = csi.Chunks([[csi.Chunk("a", 0, 0)]])
    plain = find(INTERFACES, "pharia:skill/chunking", "chunk")
    offsets = find(INTERFACES, "pharia:skill/chunking", "chunk-with-offsets")

    told, asked = serve(plain, [("t", ("m", 5, 1))], replies=[reply])
    assert (told, asked) == ([["a"]], [csi.ChunkTexts([csi.ChunkRequest("t", "m", 5, 1)])])

    told, asked = serve(offsets, [("t", ("m", 5, 1), True)], replies=[reply])
    assert asked == [csi.ChunkTexts([csi.ChunkRequest("t", "m", 5, 1, True)])]
    assert told == [[("a", 0, 0)]]


def test_languages() -> None:
    """None is undecided."""
    detect = find(INTERFACES, "pharia:skill/language", "select-language")

    told, asked = serve(detect, [("t", ["eng"])], replies=[csi.Languages([None])])

    assert asked == [csi.SelectLanguage([csi.LanguageRequest("t", ["eng"])])]
    assert told == [None]


def test_tools_answer_or_fail_as_values() -> None:
    """A failed tool is the Skill's to handle."""
    invoke = find(INTERFACES, "pharia:skill/tool", "invoke-tool")
    results = csi.ToolResults([csi.ToolOutput(["3"]), csi.ToolError("no")])

    told, asked = serve(invoke, [("add", [("a", b"1")]), ("x", [])], replies=[results])

    add = csi.ToolInvocation("add", [csi.ToolArgument("a", b"1")])
    assert asked == [csi.InvokeTools([add, csi.ToolInvocation("x")])]
    assert told == [(True, [("text", "3")]), (False, "no")]


def test_tools_are_listed() -> None:
    """With their schemas as JSON."""
    listing = find(INTERFACES, "pharia:skill/tool", "list-tools")

    told, asked = serve(listing, replies=[csi.ToolList([csi.Tool("t", "d", b"{}")])])

    assert (told, asked) == ([("t", "d", b"{}")], [csi.ListTools()])
