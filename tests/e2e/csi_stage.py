"""A daemon with every backend of the CSI behind it, each a real server that its tests can watch."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tests import aleph_alpha_stub, document_index_stub, inference_stub
from tests.document_index_stub import StubDocumentIndex, hit
from tests.e2e.background import in_background
from tests.e2e.harness import Answer, Daemon, running
from tests.e2e.skills import entry, wanting
from tests.inference_stub import Handler, StubBackend
from tests.mcp_server import McpProcess, mcp_server

TOKEN = "caller"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LETTER = {"contents": [{"modality": "text", "text": "Dear"}], "metadata": {"pages": 2}}

_TOKENIZER = """{"version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"""


@dataclass(frozen=True)
class Stage:
    """What plays together."""

    daemon: Daemon
    inference: StubBackend
    index: StubDocumentIndex
    mcp: McpProcess
    loop: asyncio.AbstractEventLoop

    def run(self, do: str, *, skill: str = "team/csi", **asked: Any) -> Answer:
        """Call the function with a token, as its users would."""
        return self.daemon.run(skill, {"do": do, **asked}, headers=HEADERS)

    def ask(self, do: str, **asked: Any) -> Any:
        """What the function answers to that, which has to be well."""
        answer = self.run(do, **asked)
        assert answer.status == 200, answer.body
        return answer.json()["data"]

    def stream(self, do: str, *, skill: str = "team/csi-stream", **asked: Any) -> list[Any]:
        """The events that the stream answers with, as pairs of name and data."""
        body = {"do": do, **asked}
        path = f"/v1/skills/{skill}/message-stream"
        answer = self.daemon.request("POST", path, body, headers=HEADERS)
        assert answer.status == 200, answer.body
        return events(answer.body)

    def say(self, *texts: str) -> None:
        """Let the model stream its next answer in these pieces."""
        first, *more = ({"content": text} for text in texts)
        deltas = [{"role": "assistant", **first}, *more]
        chunks: list[Any] = [{"choices": [{"index": 0, "delta": one}]} for one in deltas]
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        self.inference.replies.append([*chunks, end, {"choices": [], "usage": usage}, "[DONE]"])

    def hold(self) -> Callable[[], None]:
        """Let the model's backend wait with its answers; returns what lets it go on."""
        held = self.inference.held = asyncio.Event()

        def release() -> None:
            self.inference.held = None
            self.loop.call_soon_threadsafe(held.set)

        return release

    def idle(self) -> None:
        """Wait until no call is left."""
        self.daemon.eventually(lambda: calls(self.daemon), lambda left: left == 0)

    def rest(self) -> None:
        """Nothing is scripted any more."""
        for scripted in (self.inference.faults, self.inference.replies, self.index.statuses):
            scripted.clear()
        self.inference.key, self.inference.pace = None, 0.0


def events(body: bytes) -> list[Any]:
    """Server-sent events as pairs of name and data."""
    found = []
    for block in body.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], json.loads(fields["data"])))
    return found


def calls(daemon: Daemon) -> float:
    """How many calls the daemon is serving."""
    states = ("running", "queued", "waiting")
    return sum(daemon.metric(f'skilld_calls{{state="{state}"}}') for state in states)


@contextmanager
def stage(
    root: Path,
    *,
    skills: Path,
    primed: Callable[[Path], None] | None = None,
    names: Mapping[str, Mapping[str, object]],
    inference: ModuleType = aleph_alpha_stub,
    token: str = TOKEN,
    **settings: object,
) -> Iterator[Stage]:
    """
    Serve *names* (with their keys) of the directory *skills* in the namespace `team`.

    *inference* is the stub of the backend: Aleph Alpha's, or `openai_stub`. *token* is one that may
    list the tools.
    """
    if primed is not None:
        primed(root)
    model, index = StubBackend(), StubDocumentIndex(hits=[hit("Dear Ada")])
    index.documents["letter"] = LETTER
    (root / "tokenizer.json").write_text(_TOKENIZER)
    (root / "config.toml").write_text(f'[tokenizers]\nlocal = "{root}/tokenizer.json"\n')
    with (
        in_background(_serve(model, inference.routes(model))) as loop,
        in_background(document_index_stub.serve(index)),
        mcp_server(root / "mcp.log", tools=["greet", "fail", "hang"]) as mcp,
        running(root, **_backends(inference, model, index), **settings) as daemon,
    ):
        more = f'mcp-servers = ["{mcp.url}"]\nnative-tools = ["add", "saboteur"]\n'
        wanted = [entry(name, **keys) for name, keys in names.items()]
        daemon.write(wanting(*wanted, path=skills, more=more))
        daemon.ready(within=200)
        for name in names:
            served(daemon, f"team/{name}")
        tools = "/v1/tools/team"
        bearer = {"Authorization": f"Bearer {token}"}
        daemon.eventually(
            lambda: daemon.request("GET", tools, headers=bearer).json(),
            lambda listed: len(listed) == 5,
        )
        yield Stage(daemon, model, index, mcp, loop)


@asynccontextmanager
async def _serve(
    stub: StubBackend, routes: dict[str, Handler]
) -> AsyncIterator[asyncio.AbstractEventLoop]:
    """Tell in which loop it runs: its events are set there."""
    async with inference_stub.serve(stub, routes):
        yield asyncio.get_running_loop()


def _backends(
    inference: ModuleType, model: StubBackend, index: StubDocumentIndex
) -> dict[str, object]:
    found: dict[str, object] = {"DOCUMENT_INDEX_URL": index.url}
    if inference is aleph_alpha_stub:
        return found | {"INFERENCE_URL": model.url}
    return found | {"OPENAI_INFERENCE__URL": model.url, "OPENAI_INFERENCE__TOKEN": "ours"}


def served(daemon: Daemon, skill: str) -> None:
    """Wait until a Skill is served, whatever it answers."""
    path = f"/v1/skills/{skill}/metadata"
    daemon.eventually(
        lambda: daemon.get(path).status, lambda status: status not in (404, 503), within=120
    )
