"""
Drivers for what the operator has not configured: each answer names the setting to set.

So nobody has to ask whether there is a driver, and a caller learns what to ask the operator for.
"""

from collections.abc import AsyncGenerator
from typing import NoReturn

from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind


def _refuse(what: str, way_out: str) -> NoReturn:
    raise DaemonError(
        ErrorKind.CSI_NOT_CONFIGURED, f"{what} is not configured: the operator has to set {way_out}"
    )


def _no_inference() -> NoReturn:
    _refuse("inference", "INFERENCE_URL, or OPENAI_INFERENCE__URL and OPENAI_INFERENCE__TOKEN")


def _no_document_index() -> NoReturn:
    _refuse("the Document Index", "DOCUMENT_INDEX_URL, to a service or to embedded:PATH")


class UnconfiguredInference:
    """No model to ask."""

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        """See `csi.Inference`. Raises DaemonError CSI_NOT_CONFIGURED, as all here do."""
        _no_inference()

    async def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See `csi.Inference`."""
        _no_inference()
        yield  # makes it a generator, which fails when it is first asked

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        """See `csi.Inference`."""
        _no_inference()

    async def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See `csi.Inference`."""
        _no_inference()
        yield

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        """See `csi.Inference`."""
        _no_inference()


class UnconfiguredDocumentIndex:
    """Nothing to search."""

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        """See `csi.DocumentIndex`."""
        _no_document_index()

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        """See `csi.DocumentIndex`."""
        _no_document_index()

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        """See `csi.DocumentIndex`."""
        _no_document_index()
