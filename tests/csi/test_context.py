"""The requests of a guest, as calls of the drivers."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.skill import StreamEvent, ToolBegin, ToolEnd, ToolFailed
from tests.csi.fakes import ScriptedInference, SlowTools, drivers
from tests.waiting import until

CALLER = csi.Caller(namespace=Namespace("test-beta"), token="t")
PATH = csi.DocumentPath("n", "c", "d")
SEARCH = csi.SearchRequest(csi.IndexPath("n", "c", "i"), "q", 1)
EVENTS = (csi.Append("a"), csi.End("stop"))


def context(
    inference: ScriptedInference | None = None, events: list[StreamEvent] | None = None
) -> DriverContext:
    """The context of one invocation."""
    told = events if events is not None else []
    return DriverContext(drivers(inference or ScriptedInference()), CALLER, told.append)


def completions(*prompts: str) -> csi.Complete:
    """A batch."""
    return csi.Complete([csi.CompletionRequest("m", prompt) for prompt in prompts])


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (
            csi.Chat([csi.ChatRequest("m", [])]),
            csi.ChatResponses(
                [csi.ChatResponse(csi.AssistantMessage("m"), "stop", csi.TokenUsage(1, 1))]
            ),
        ),
        (
            csi.Explain([csi.ExplanationRequest("abc", "t", "m")]),
            csi.Explanations([[csi.TextScore(0, 3, 1.0)]]),
        ),
        (csi.Search([SEARCH, SEARCH]), csi.SearchResults([[], []])),
        (csi.Documents([PATH]), csi.DocumentsFound([csi.Document(PATH, ["text", None])])),
        (csi.DocumentMetadata([PATH]), csi.MetadataFound([b"{}"])),
        (
            csi.ChunkTexts([csi.ChunkRequest("a b", "m", 1)]),
            csi.Chunks([[csi.Chunk("a", 0), csi.Chunk("b", 0)]]),
        ),
        (csi.SelectLanguage([csi.LanguageRequest("t", ["eng"])]), csi.Languages(["eng"])),
        (csi.Complete([]), csi.Completions([])),
    ],
)
async def test_each_request_has_its_reply(request_: csi.Request, reply: csi.Reply) -> None:
    """Batches in their order, empty ones too."""
    assert await context().answer(request_) == reply


async def test_batches_run_at_once_and_keep_their_order() -> None:
    """For the caller of this invocation."""
    inference = ScriptedInference()
    reply = await context(inference).answer(completions("1", "2", "3"))
    assert [one.text for one in reply.items] == ["1", "2", "3"]  # type: ignore[union-attr]
    assert inference.most == 3
    assert inference.callers == [CALLER] * 3


@pytest.mark.parametrize("prompts", [("fail",), ("1", "fail", "3")])
async def test_first_error_fails_the_batch_with_its_kind(prompts: tuple[str, ...]) -> None:
    """And ends the others."""
    error = DaemonError(ErrorKind.CSI_UNKNOWN_MODEL, "no such model")
    inference = ScriptedInference(error=error, hang=len(prompts) > 1)
    with pytest.raises(DaemonError) as caught:
        await context(inference).answer(completions(*prompts))
    assert caught.value is error
    assert inference.running == 0


async def test_cancelled_batch_cancels_all_of_it() -> None:
    """A caller who left needs no answers."""
    inference = ScriptedInference(hang=True)
    asking = asyncio.ensure_future(context(inference).answer(completions("1", "2")))
    await until(lambda: inference.running == 2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert inference.running == 0


async def opened(of: DriverContext, request: csi.Request) -> int:
    """Open a stream."""
    reply: Any = await of.answer(request)
    return int(reply.stream)


@pytest.mark.parametrize(
    "request_",
    [
        csi.OpenChatStream(csi.ChatRequest("m", [])),
        csi.OpenCompletionStream(csi.CompletionRequest("m", "p")),
    ],
)
async def test_streams_are_read_event_by_event(request_: csi.Request) -> None:
    """After the last event there is none, however often one asks."""
    made = context(ScriptedInference(*EVENTS))
    number = await opened(made, request_)
    got = [await made.answer(csi.NextEvent(number)) for _ in range(4)]
    assert got == [*map(csi.StreamNext, EVENTS), csi.StreamNext(), csi.StreamNext()]


async def test_closed_stream_ends_upstream_and_has_no_more_events() -> None:
    """Closing twice is fine."""
    inference = ScriptedInference(*EVENTS)
    made = context(inference)
    number = await opened(made, csi.OpenChatStream(csi.ChatRequest("m", [])))
    await made.answer(csi.NextEvent(number))
    assert inference.open == 1

    for _ in range(2):
        assert await made.answer(csi.CloseStream(number)) == csi.StreamClosed()

    assert inference.open == 0
    assert await made.answer(csi.NextEvent(number)) == csi.StreamNext()


async def test_streams_left_open_are_closed_with_the_invocation() -> None:
    """All of them."""
    inference = ScriptedInference(*EVENTS)
    made = context(inference)
    for _ in range(2):
        number = await opened(made, csi.OpenChatStream(csi.ChatRequest("m", [])))
        await made.answer(csi.NextEvent(number))
    await made.close()
    assert inference.open == 0


async def test_tool_events_begin_in_order() -> None:
    """And end in order where tools take no time; a failed tool is a result, not an error."""
    told: list[StreamEvent] = []
    numbers = [csi.ToolArgument("a", b"1"), csi.ToolArgument("b", b"2")]
    invocations = [csi.ToolInvocation("saboteur"), csi.ToolInvocation("add", numbers)]
    reply = await context(events=told).answer(csi.InvokeTools(invocations))
    assert reply == csi.ToolResults([csi.ToolError("Out of cheese."), csi.ToolOutput(["3"])])
    assert told == [
        ToolBegin("saboteur"),
        ToolBegin("add"),
        ToolFailed("saboteur", "Out of cheese."),
        ToolEnd("add"),
    ]


async def test_tool_events_end_when_each_tool_does() -> None:
    """The reader of a stream need not wait for the slowest to hear of the others."""
    told: list[StreamEvent] = []
    slow = SlowTools("slow")
    made = DriverContext(replace(drivers(), tools=slow), CALLER, told.append)
    invocations = [csi.ToolInvocation("slow"), csi.ToolInvocation("quick")]
    asking = asyncio.ensure_future(made.answer(csi.InvokeTools(invocations)))
    begun = [ToolBegin("slow"), ToolBegin("quick")]

    await until(lambda: told == [*begun, ToolEnd("quick")])
    slow.release.set()

    assert await asking == csi.ToolResults([csi.ToolOutput(["slow"]), csi.ToolOutput(["quick"])])
    assert told == [*begun, ToolEnd("quick"), ToolEnd("slow")]


async def test_listed_tools_are_those_of_the_namespace() -> None:
    """Listing is no tool event."""
    told: list[StreamEvent] = []
    reply: Any = await context(events=told).answer(csi.ListTools())
    assert [tool.name for tool in reply.items] == ["add", "saboteur", "subtract"]
    assert told == []
