"""
The driver for OpenAI-compatible backends, with the operator's token.

The caller's token is never sent there. Leaves out explanations, which no such backend has.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from daemon.csi import interface as csi
from daemon.csi.inference import chat
from daemon.csi.inference.completion_format import (
    decode_completion,
    decode_completion_chunk,
    encode_completion,
)
from daemon.csi.inference.failures import malformed
from daemon.csi.inference.http import Backend, Call
from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret


class OpenAiInference:
    """See `csi.Inference`. The token is read when it is used, so a file may be rotated."""

    def __init__(self, backend: Backend, token: Secret) -> None:
        self._backend = backend
        self._token = token

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        """See `csi.Inference`. Raises DaemonError of the CSI_* kinds, as all here do."""
        token = self._token.reveal()
        return await chat.chat(self._backend, request, caller=caller, token=token)

    async def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See `csi.Inference`."""
        token = self._token.reveal()
        stream = chat.chat_stream(self._backend, request, caller=caller, token=token)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        """See `csi.Inference`. CSI_NOT_CONFIGURED where the backend has no /completions."""
        call = self._completion(request, caller, encode_completion(request))
        return decode_completion(await self._backend.fetch(call), call.asked)

    async def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See `csi.Inference`."""
        call = self._completion(request, caller, encode_completion(request, stream=True))
        ended = False
        async with aclosing(self._backend.events(call)) as events:
            async for event in events:
                for one in decode_completion_chunk(event.data, call.asked):
                    ended = ended or isinstance(one, csi.End)
                    yield one
        if not ended:
            raise malformed("the stream ended before the completion did")

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        """See `csi.Inference`: always CSI_NOT_CONFIGURED."""
        raise DaemonError(
            ErrorKind.CSI_NOT_CONFIGURED,
            "explain is not supported by this inference backend (OpenAI-compatible); "
            "the operator has to set INFERENCE_URL to a backend that has it",
        )

    def _completion(self, request: csi.CompletionRequest, caller: csi.Caller, body: bytes) -> Call:
        token = self._token.reveal()
        return Call(path="completions", model=request.model, caller=caller, token=token, body=body)
