"""Aleph Alpha's inference: native functions beside OpenAI's chat."""

from aiohttp import web

from tests import openai_stub
from tests.inference_stub import Handler, StubBackend, main, refused

TOKENIZER = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}
_COUNTS = {"num_tokens_prompt_total": 3, "num_tokens_generated": 2}
_PIECE = {"completion": "Hello", "completion_tokens": ["Hello"], "log_probs": [{"Hello": -0.5}]}


def routes(stub: StubBackend) -> dict[str, Handler]:
    """`/complete`, `/explain`, `/models/{model}/tokenizer` and chat."""

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await stub.admit(request)
        if body["model"] not in stub.models:
            raise refused(404, {"error": "no such model", "code": "UNKNOWN_MODEL"})
        if not body.get("stream"):
            done = {**_PIECE, "finish_reason": "maximum_tokens"}
            return web.json_response({"completions": [done], **_COUNTS})
        events = [
            {"type": "stream_chunk", "index": 0, **_PIECE},
            {"type": "stream_summary", "index": 0, "finish_reason": "end_of_text"},
            {"type": "completion_summary", **_COUNTS},
        ]
        return await stub.stream(request, [*events, "[DONE]"])

    async def explain(request: web.Request) -> web.StreamResponse:
        await stub.admit(request)
        scores = [{"start": 0, "length": 5, "score": 0.25}]
        items = [{"type": "text", "scores": scores}, {"type": "target", "scores": []}]
        return web.json_response({"explanations": [{"target": "t", "items": items}]})

    async def tokenizer(request: web.Request) -> web.StreamResponse:
        await stub.admit(request)
        return web.json_response(TOKENIZER)

    native: dict[str, Handler] = {"/complete": complete, "/explain": explain}
    return {**openai_stub.routes(stub), **native, "/models/{model}/tokenizer": tokenizer}


if __name__ == "__main__":
    main(_stub := StubBackend(), routes(_stub))
