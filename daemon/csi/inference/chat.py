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
DONE = "[DONE]"


async def chat(
    backend: Backend, request: csi.ChatRequest, *, caller: csi.Caller, token: str
) -> csi.ChatResponse:
    """Ask for a whole answer. Raises DaemonError of the CSI_* kinds."""
    body = encode_chat(request)
    call = Call(path=PATH, model=request.model, caller=caller, token=token, body=body)
    return decode_chat(await backend.fetch(call))


async def chat_stream(
    backend: Backend, request: csi.ChatRequest, *, caller: csi.Caller, token: str
) -> AsyncGenerator[csi.InferenceEvent, None]:
    """Ask for an answer piece by piece; closing the generator closes the connection."""
    body = encode_chat(request, stream=True)
    call = Call(path=PATH, model=request.model, caller=caller, token=token, body=body)
    reader = ChatReader(request.model)
    async with aclosing(backend.events(call)) as events:
        async for event in events:
            if event.data == DONE:
                break
            for one in reader.read(event.data):
                yield one
    for one in reader.finish():
        yield one
