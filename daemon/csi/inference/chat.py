"""
Chat over HTTP, the same for every backend that speaks OpenAI's chat format.

Leaves out whose token is sent: each driver knows that.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from daemon.csi import interface as csi
from daemon.csi.inference.chat_format import ChatReader, decode_chat, encode_chat
from daemon.csi.inference.http import Backend, Call

PATH = "chat/completions"


async def chat(
    backend: Backend, request: csi.ChatRequest, *, caller: csi.Caller, token: str
) -> csi.ChatResponse:
    """Ask for a whole answer. Raises DaemonError of the CSI_* kinds."""
    body = encode_chat(request)
    call = Call(path=PATH, model=request.model, caller=caller, token=token, body=body)
    return decode_chat(await backend.fetch(call), call.asked)


async def chat_stream(
    backend: Backend, request: csi.ChatRequest, *, caller: csi.Caller, token: str
) -> AsyncGenerator[csi.InferenceEvent, None]:
    """Ask for an answer piece by piece; closing the generator closes the connection."""
    body = encode_chat(request, stream=True)
    call = Call(path=PATH, model=request.model, caller=caller, token=token, body=body)
    reader = ChatReader(call.asked)
    async with aclosing(backend.events(call)) as events:
        async for event in events:
            for one in reader.read(event.data):
                yield one
    reader.finish()
