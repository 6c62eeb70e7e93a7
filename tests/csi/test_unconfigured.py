"""What is not configured says what to configure."""

from collections.abc import Awaitable, Callable

import pytest

from daemon.csi import interface as csi
from daemon.csi.drivers import assemble
from daemon.csi.tools import Toolbox
from daemon.errors import DaemonError, ErrorKind

D = assemble(tools=Toolbox())
C = csi.Caller()
PATH = csi.DocumentPath("n", "c", "d")
COMPLETION = csi.CompletionRequest("model", "prompt")
CHAT = csi.ChatRequest("model", [])

INFERENCE = "INFERENCE_URL, or OPENAI_INFERENCE__URL and OPENAI_INFERENCE__TOKEN"


@pytest.mark.parametrize(
    ("ask", "setting"),
    [
        (lambda: D.inference.complete(COMPLETION, C), INFERENCE),
        (lambda: D.inference.chat(CHAT, C), INFERENCE),
        (lambda: anext(D.inference.completion_stream(COMPLETION, C)), INFERENCE),
        (lambda: anext(D.inference.chat_stream(CHAT, C)), INFERENCE),
        (lambda: D.inference.explain(csi.ExplanationRequest("p", "t", "m"), C), INFERENCE),
        (
            lambda: D.document_index.search(
                csi.SearchRequest(csi.IndexPath("n", "c", "i"), "q", 1), C
            ),
            "DOCUMENT_INDEX_URL",
        ),
        (lambda: D.document_index.document(PATH, C), "DOCUMENT_INDEX_URL"),
        (lambda: D.document_index.metadata(PATH, C), "DOCUMENT_INDEX_URL"),
        (lambda: D.chunking.chunk(csi.ChunkRequest("t", "m", 1), C), "INFERENCE_URL"),
        (lambda: D.language.select_language(csi.LanguageRequest("t", []), C), "ask the operator"),
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
