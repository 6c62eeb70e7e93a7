"""An OpenAI-compatible backend: answers `Hello` or what it is told, whole or in pieces."""

import random
from typing import Any

from aiohttp import web

from tests.inference_stub import Handler, StubBackend, error, main, refused

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DIMENSIONS = 768
_HEAD = {"id": "chatcmpl-1", "created": 1700000000, "system_fingerprint": "fp_1"}


def routes(stub: StubBackend) -> dict[str, Handler]:
    """
    `/chat/completions`, `/completions`, `/embeddings`.

    `stub.replies` are answers or lists of chunks, for the first two.
    """

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await _admit(stub, request, needs="messages")
        message = {"role": "assistant", "content": "Hello", "refusal": None}
        if not body.get("stream"):
            return _whole(stub, body, kind="chat.completion", choice={"message": message})
        first = {"role": "assistant", "content": "", "refusal": None}
        choices = [{"delta": first}, {"delta": {"content": "Hello"}}, {"delta": {}}]
        return await _stream(stub, request, body, kind="chat.completion.chunk", choices=choices)

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await _admit(stub, request, needs="prompt")
        if not body.get("stream"):
            return _whole(stub, body, kind="text_completion", choice={"text": "Hello"})
        choices = [{"text": "Hello"}, {"text": ""}]
        return await _stream(stub, request, body, kind="text_completion", choices=choices)

    async def embed(request: web.Request) -> web.StreamResponse:
        body = await _admit(stub, request, needs="input")
        rows = [{"index": n, "embedding": _vector(text)} for n, text in enumerate(body["input"])]
        return web.json_response({"data": rows})

    return {"/chat/completions": chat, "/completions": complete, "/embeddings": embed}


def _vector(text: str) -> list[float]:
    """Always the same for a text, and of a usual length."""
    draw = random.Random(text)
    return [draw.uniform(-1, 1) for _ in range(DIMENSIONS)]


async def _admit(stub: StubBackend, request: web.Request, *, needs: str) -> Any:
    body = await stub.admit(request)
    for name in ("model", needs):
        if name not in body:
            raise refused(400, error(f"Missing required parameter: '{name}'."))
    if stub.models is not None and body["model"] not in stub.models:
        text = f"The model `{body['model']}` does not exist or you do not have access to it."
        raise refused(404, error(text, code="model_not_found"))
    return body


def _whole(stub: StubBackend, body: Any, *, kind: str, choice: dict[str, Any]) -> web.Response:
    if stub.replies:
        return web.json_response(stub.replies.popleft())
    choice = {"index": 0, **choice, "logprobs": None, "finish_reason": "stop"}
    head = {**_HEAD, "object": kind, "model": body["model"]}
    return web.json_response({**head, "choices": [choice], "usage": USAGE})


async def _stream(
    stub: StubBackend, request: web.Request, body: Any, *, kind: str, choices: list[Any]
) -> web.StreamResponse:
    if stub.replies:
        return await stub.stream(request, stub.replies.popleft())
    # With usage asked for, all chunks but the last say that they have none.
    counts = (body.get("stream_options") or {}).get("include_usage", False)
    head = {**_HEAD, "object": kind, "model": body["model"]}
    none = {"usage": None} if counts else {}
    chunks: list[Any] = [
        {**head, "choices": [{"index": 0, **it, "logprobs": None, "finish_reason": None}], **none}
        for it in choices
    ]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    usage = [{**head, "choices": [], "usage": USAGE}] if counts else []
    return await stub.stream(request, [*chunks, *usage, "[DONE]"])


if __name__ == "__main__":
    main(routes)
