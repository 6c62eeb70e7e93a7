"""The public SDK's `DevCsi`, as published, against a real server, for every method it has."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.api.server import Server
from daemon.csi import interface as csi
from daemon.csi.inference.aleph_alpha import AlephAlphaInference
from daemon.csi.inference.http import Backend
from daemon.csi.language import Lingua
from daemon.csi.observed import observed
from daemon.csi.tools import NativeTools, Toolbox
from daemon.observability.metrics import Metrics
from tests import aleph_alpha_stub
from tests.fakes_api import TokenList, services
from tests.fakes_csi import Archive, Scissors
from tests.inference_stub import StubBackend, serve

SCRIPT = Path(__file__).with_name("dev_csi.py")
CALL = '{"type": "function", "function": {"name": "add", "parameters": {"a": 1, "b": 2}}}'


def _said(text: str) -> list[Any]:
    """A streamed chat answer of the stub."""
    delta = {"role": "assistant", "content": text}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return [
        {"choices": [{"index": 0, "delta": delta}]},
        {"choices": [end]},
        {"choices": [], "usage": usage},
        "[DONE]",
    ]


async def _run(python: Path, url: str) -> dict[str, Any]:
    """What the script printed, by method."""
    environment = {
        "PHARIA_KERNEL_ADDRESS": url,
        "PHARIA_AI_TOKEN": "secret",
        "OTEL_SDK_DISABLED": "true",
    }
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(SCRIPT),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return dict(json.loads(line) for line in output.splitlines())


@pytest.fixture
async def answers(sdk_venv: Path) -> dict[str, Any]:
    """All that `DevCsi` returned."""
    stub, archive, scissors = StubBackend(key="secret"), Archive(), Scissors()
    metrics = Metrics()
    async with serve(stub, aleph_alpha_stub.routes(stub)), aiohttp.ClientSession() as session:
        stub.replies.extend([_said(CALL), _said("It is 3.")])
        drivers = csi.Drivers(
            tools=Toolbox(NativeTools(lambda _: ())),
            inference=AlephAlphaInference(Backend(session, stub.url)),
            document_index=archive,
            chunking=scissors,
            language=Lingua(),
        )
        server = Server(
            services(csi=observed(drivers, metrics, None), authorizer=TokenList("secret"))
        )
        bound = await server.start(api=("127.0.0.1", 0))
        try:
            told = await _run(sdk_venv / "bin" / "python", f"http://127.0.0.1:{bound.api[1]}")
        finally:
            await server.stop(grace=0.0)
    return told | {
        "asked": {"chats": [one.body for one in stub.seen], "searches": archive.asked[:2]},
        "counts": {
            one.labels["function"]: one.value
            for one in metrics.csi_requests.collect()[0].samples
            if one.name.endswith("_total")
        },
    }


USAGE = {"prompt": 3, "completion": 2}
SCORE = {"start": 0, "length": 5, "score": 0.25}
CHUNK = {"text": "a", "character_offset": 0}


@pytest.mark.real
async def test_every_method_of_dev_csi_works(answers: dict[str, Any]) -> None:
    """Unchanged, and with the answers of the drivers."""
    assert answers["list_tools"] == ["add", "saboteur", "subtract"]
    assert answers["invoke_tool"] == {"contents": ["1"]}
    assert answers["invoke_tool_concurrent"] == [{"contents": ["3"]}, {"message": "Out of cheese."}]
    assert answers["chat_stream with tools"] == "It is 3."
    assert answers["complete"]["text"] == "Hello"
    assert answers["complete"]["logprobs"][0]["sampled"]["token"] == list(b"Hello")
    assert len(answers["complete_concurrent"]) == len(answers["chat_concurrent"]) == 2
    assert answers["completion_stream"] == ["Hello", "stop"]
    assert answers["chat"]["message"] == {"role": "assistant", "content": "Hello"}
    assert answers["chat"]["usage"] == USAGE
    assert answers["chat_stream"] == ["assistant", "Hello", "stop", USAGE]
    assert answers["chat_stream_step"]["content"] == "Hello"
    assert answers["explain"] == [SCORE]
    assert answers["explain_concurrent"] == [[SCORE]]
    assert answers["chunk"] == [CHUNK, CHUNK | {"text": "b"}]
    assert answers["chunk_concurrent"] == [[CHUNK]]
    assert answers["select_language"] == "deu"
    assert answers["select_language_concurrent"] == ["deu", None]


@pytest.mark.real
async def test_dev_csi_finds_documents(answers: dict[str, Any]) -> None:
    """With all kinds of filters on the way there."""
    path = {"namespace": "library", "collection": "letters", "name": "1842"}
    (found,) = answers["search"]
    assert found["document_path"] == path
    assert found["end"] == {"item": 1, "position": 5}
    assert answers["search_concurrent"] == [[found]]
    assert answers["document"]["contents"] == [
        {"text": "Dear", "modality": "text"},
        {"modality": "image"},
    ]
    assert answers["documents"] == [answers["document"]]
    assert answers["document_metadata"] == {"a": [1.5, None], "b": 1}
    assert answers["documents_metadata"] == [answers["document_metadata"]]
    for asked in answers["asked"]["searches"]:
        kinds = [(one.kind, one.conditions[0].comparison) for one in asked.filters]
        assert kinds == [
            ("with-all", "equal-to"),
            ("with-one-of", "greater-than"),
            ("without", "is-null"),
        ]


@pytest.mark.real
async def test_dev_csi_hears_what_went_wrong(answers: dict[str, Any]) -> None:
    """In words, and in a stream as an event."""
    assert "422" in answers["unknown model"]
    assert "csi-unknown-model" in answers["unknown model"]
    assert answers["unknown model, streamed"].startswith("ValueError: ")
    assert "no-such-model" in answers["unknown model, streamed"]
    assert "Out of cheese." in answers["failing tool"]
    assert "404" in answers["unknown namespace"]


@pytest.mark.real
async def test_what_dev_csi_asks_is_counted(answers: dict[str, Any]) -> None:
    """Each request of a batch; the namespace that is not there was not asked for tools."""
    counts = answers["counts"]

    assert (counts["complete"], counts["completion_stream"]) == (3, 1)
    assert (counts["chat"], counts["chat_stream"]) == (4, 5)
    assert (counts["chunk"], counts["select_language"]) == (2, 3)
    assert counts["invoke_tool"] == 5
