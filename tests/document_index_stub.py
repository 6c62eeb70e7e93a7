"""
A Document Index as a real HTTP server: one collection, recorded requests, scripted failures.

Run it by itself with `python -m tests.document_index_stub PORT`.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived; `path` is still encoded."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class StubDocumentIndex:
    """Owned by the test that runs it. `statuses` are the answers to the next requests."""

    hits: list[Any] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    statuses: deque[int] = field(default_factory=deque)
    raw: bytes | None = None
    hang: bool = False
    seen: list[Seen] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Every route."""
        body = await request.json() if request.can_read_body else None
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        if self.statuses:
            return web.json_response({"message": "as scripted"}, status=self.statuses.popleft())
        if self.hang:
            await self.released.wait()
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        if request.method == "POST":
            return web.json_response(self.hits)
        name = request.match_info["name"]
        if name not in self.documents:
            return web.json_response({"message": "not found"}, status=404)
        return web.json_response(self.documents[name])


def hit(*texts: str, name: str = "doc", score: float = 0.5) -> dict[str, Any]:
    """A search result, as the service writes it."""
    return {
        "document_path": {"namespace": "ns", "collection": "col", "name": name},
        "section": [{"modality": "text", "text": text} for text in texts],
        "score": score,
        "start": {"modality": "text", "item": 0, "position": 0},
        "end": {"modality": "text", "item": 0, "position": 5},
    }


@asynccontextmanager
async def serve(stub: StubDocumentIndex, *, port: int = 0) -> AsyncIterator[None]:
    """Run it; `stub.url` says where."""
    app = web.Application()
    root = "/collections/{namespace}/{collection}"
    app.router.add_post(f"{root}/indexes/{{index}}/search", stub.answer)
    app.router.add_get(f"{root}/docs/{{name}}", stub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        stub.released.set()
        await runner.cleanup()


async def main(port: int) -> None:
    """Serve until interrupted."""
    stub = StubDocumentIndex(
        hits=[hit("Hello")],
        documents={"doc": {"contents": [{"modality": "text", "text": "Hello"}]}},
    )
    async with serve(stub, port=port):
        print(stub.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
