"""Aleph Alpha's inference: native functions beside OpenAI's chat."""

from typing import Any

from aiohttp import web

from tests import openai_stub
from tests.inference_stub import Handler, StubBackend, main, refused

TOKENIZER = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}
_COUNTS = {"num_tokens_prompt_total": 3, "num_tokens_generated": 2}
_LOGPROBS = {"completion_tokens": ["Hello"], "log_probs": [{"Hello": -0.5}]}


def routes(stub: StubBackend) -> dict[str, Handler]:
    """`/complete`, `/explain`, `/models/{model}/tokenizer` and chat."""

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await _admit(stub, request)
        piece = {"completion": "Hello", **(_LOGPROBS if "log_probs" in body else {})}
        if not body.get("stream"):
            done = {**piece, "finish_reason": "maximum_tokens"}
            whole = {"model_version": "1", "completions": [done], **_COUNTS}
            return web.json_response(stub.replies.popleft() if stub.replies else whole)
        events = [
            {"type": "stream_chunk", "index": 0, **piece},
            {"type": "stream_summary", "index": 0, "finish_reason": "end_of_text"},
            {"type": "completion_summary", **_COUNTS},
            "[DONE]",
        ]
        return await stub.stream(request, stub.replies.popleft() if stub.replies else events)

    async def explain(request: web.Request) -> web.StreamResponse:
        await _admit(stub, request)
        scores = [{"start": 0, "length": 5, "score": 0.25}]
        items = [{"type": "text", "scores": scores}, {"type": "target", "scores": []}]
        return web.json_response({"explanations": [{"target": "t", "items": items}]})

    async def tokenizer(request: web.Request) -> web.StreamResponse:
        await stub.admit(request)
        if stub.models is not None and request.match_info["model"] not in stub.models:
            raise refused(404, {"error": "no such model", "code": "UNKNOWN_MODEL"})
        return web.json_response(TOKENIZER)

    native: dict[str, Handler] = {"/complete": complete, "/explain": explain}
    return {**openai_stub.routes(stub), **native, "/models/{model}/tokenizer": tokenizer}


async def _admit(stub: StubBackend, request: web.Request) -> Any:
    body = await stub.admit(request)
    if stub.models is not None and body["model"] not in stub.models:
        raise refused(404, {"error": "no such model", "code": "UNKNOWN_MODEL"})
    return body


if __name__ == "__main__":
    main(routes)
