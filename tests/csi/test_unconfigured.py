"""What is not configured says what to configure."""

from collections.abc import Awaitable, Callable

import pytest

from daemon.csi import interface as csi
from daemon.csi.unconfigured import UnconfiguredDocumentIndex, UnconfiguredInference
from daemon.errors import DaemonError, ErrorKind

MODEL, INDEX = UnconfiguredInference(), UnconfiguredDocumentIndex()
C = csi.Caller()
PATH = csi.DocumentPath("n", "c", "d")
COMPLETION = csi.CompletionRequest("model", "prompt")
CHAT = csi.ChatRequest("model", [])

INFERENCE = "INFERENCE_URL, or OPENAI_INFERENCE__URL and OPENAI_INFERENCE__TOKEN"


@pytest.mark.parametrize(
    ("ask", "setting"),
    [
        (lambda: MODEL.complete(COMPLETION, C), INFERENCE),
        (lambda: MODEL.chat(CHAT, C), INFERENCE),
        (lambda: anext(MODEL.completion_stream(COMPLETION, C)), INFERENCE),
        (lambda: anext(MODEL.chat_stream(CHAT, C)), INFERENCE),
        (lambda: MODEL.explain(csi.ExplanationRequest("p", "t", "m"), C), INFERENCE),
        (
            lambda: INDEX.search(csi.SearchRequest(csi.IndexPath("n", "c", "i"), "q", 1), C),
            "DOCUMENT_INDEX_URL",
        ),
        (lambda: INDEX.document(PATH, C), "DOCUMENT_INDEX_URL"),
        (lambda: INDEX.metadata(PATH, C), "DOCUMENT_INDEX_URL"),
    ],
)
async def test_every_capability_names_its_setting(
    ask: Callable[[], Awaitable[object]], setting: str
) -> None:
    """Under the kind by which callers know it."""
    with pytest.raises(DaemonError) as caught:
        await ask()
    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED
    assert setting in caught.value.detail
