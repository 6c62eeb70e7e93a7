"""
The driver for Aleph Alpha's inference, with the caller's token.

Beside what a Skill may ask for it fetches tokenizers, for chunking. Leaves out keeping those.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import quote

from daemon.csi import interface as csi
from daemon.csi.inference import aleph_alpha_format as native
from daemon.csi.inference import chat
from daemon.csi.inference.failures import malformed
from daemon.csi.inference.http import Backend, Call
from daemon.errors import DaemonError, ErrorKind


class AlephAlphaInference:
    """See `csi.Inference`. Without the caller's token all here raise CSI_UNAUTHORIZED."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        """See `csi.Inference`."""
        return await chat.chat(self._backend, request, caller=caller, token=_token(caller))

    async def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See `csi.Inference`."""
        stream = chat.chat_stream(self._backend, request, caller=caller, token=_token(caller))
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        """See `csi.Inference`."""
        body = native.encode_completion(request)
        call = _call("complete", request.model, caller, body=body)
        return native.decode_completion(await self._backend.fetch(call), request.params, call.asked)

    async def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        """See `csi.Inference`."""
        body = native.encode_completion(request, stream=True)
        call = _call("complete", request.model, caller, body=body)
        ended = False
        async with aclosing(self._backend.events(call)) as events:
            async for event in events:
                for one in native.decode_event(event.data, request.params, call.asked):
                    ended = ended or isinstance(one, csi.End)
                    yield one
        if not ended:
            raise malformed("the stream ended before the completion did")

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        """See `csi.Inference`."""
        body = native.encode_explanation(request)
        call = _call("explain", request.model, caller, body=body)
        return native.decode_explanation(await self._backend.fetch(call), call.asked)

    async def tokenizer(self, model: str, caller: csi.Caller) -> bytes:
        """Return the model's `tokenizer.json`."""
        path = f"models/{quote(model, safe='')}/tokenizer"
        return await self._backend.fetch(_call(path, model, caller))


def _call(path: str, model: str, caller: csi.Caller, *, body: bytes | None = None) -> Call:
    return Call(path=path, model=model, caller=caller, token=_token(caller), body=body)


def _token(caller: csi.Caller) -> str:
    if not caller.token:
        raise DaemonError(
            ErrorKind.CSI_UNAUTHORIZED,
            "the inference backend requires a token: send one in the Authorization header",
        )
    return caller.token
