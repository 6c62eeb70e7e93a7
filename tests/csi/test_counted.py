"""Each request is counted once, under the contract's name."""

from collections import Counter
from typing import Any

import pytest

from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.csi.counted import counted
from daemon.names import Namespace
from tests.fakes_csi import PLACE, Oracle, drivers

CALLER = csi.Caller(namespace=Namespace("test-beta"))
COMPLETION = csi.CompletionRequest("m", "p")
CHAT = csi.ChatRequest("m", [])
SEARCH = csi.SearchRequest(csi.IndexPath("n", "c", "i"), "q", 1)


@pytest.mark.parametrize(
    ("request_", "counts"),
    [
        (csi.Complete([COMPLETION] * 3), {"complete": 3}),
        (csi.Chat([CHAT] * 2), {"chat": 2}),
        (csi.Explain([csi.ExplanationRequest("p", "t", "m")]), {"explain": 1}),
        (csi.ChunkTexts([csi.ChunkRequest("t", "m", 1)] * 2), {"chunk": 2}),
        (csi.SelectLanguage([csi.LanguageRequest("t", ["deu"])]), {"select_language": 1}),
        (csi.Search([SEARCH]), {"search": 1}),
        (csi.Documents([PLACE] * 4), {"documents": 4}),
        (csi.DocumentMetadata([PLACE]), {"document_metadata": 1}),
        (csi.InvokeTools([csi.ToolInvocation("saboteur")] * 2), {"invoke_tool": 2}),
        (csi.ListTools(), {"list_tools": 1}),
        (csi.OpenChatStream(CHAT), {"chat_stream": 1}),
        (csi.OpenCompletionStream(COMPLETION), {"completion_stream": 1}),
        (csi.Chat([]), {}),
    ],
)
async def test_batches_count_their_length(request_: Any, counts: dict[str, int]) -> None:
    """And the answers are those of the drivers."""
    seen: Counter[str] = Counter()
    plain = DriverContext(drivers(Oracle()), CALLER, lambda _: None)
    watched = counted(drivers(Oracle()), lambda name: seen.update([name]))
    context = DriverContext(watched, CALLER, lambda _: None)

    assert await context.answer(request_) == await plain.answer(request_)

    assert seen == counts
    await context.close()
    await plain.close()
