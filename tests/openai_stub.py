"""An OpenAI-compatible backend: answers `Hello` or what it is told, whole or in pieces."""

from typing import Any

from aiohttp import web

from tests.inference_stub import Handler, StubBackend, main, refused

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def routes(stub: StubBackend) -> dict[str, Handler]:
    """`/chat/completions` and `/completions`; `stub.replies` are answers or lists of chunks."""

    async def chat(request: web.Request) -> web.StreamResponse:
        return await _answer(stub, request, _chat())

    async def complete(request: web.Request) -> web.StreamResponse:
        return await _answer(stub, request, {"text": "Hello"})

    return {"/chat/completions": chat, "/completions": complete}


def _chat() -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": "Hello"}}


async def _answer(
    stub: StubBackend, request: web.Request, choice: dict[str, Any]
) -> web.StreamResponse:
    body = await stub.admit(request)
    if body["model"] not in stub.models:
        raise refused(404, {"error": {"message": "no such model", "code": "model_not_found"}})
    if body.get("stream"):
        chunks = stub.replies.popleft() if stub.replies else _chunks(choice)
        return await stub.stream(request, chunks)
    whole = {"choices": [{**choice, "index": 0, "finish_reason": "stop"}], "usage": USAGE}
    return web.json_response(stub.replies.popleft() if stub.replies else whole)


def _chunks(choice: dict[str, Any]) -> list[Any]:
    message = choice.get("message")
    first = {"index": 0, "delta": message} if message else {"index": 0, **choice}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [{"choices": [first]}, {"choices": [last]}, {"choices": [], "usage": USAGE}, "[DONE]"]


if __name__ == "__main__":
    main(_stub := StubBackend(), routes(_stub))
