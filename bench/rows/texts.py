"""Work on texts within the daemon: chunking a big one, searching in many."""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from bench.backend import backend
from bench.row import Bound, Row, ratio
from bench.stage import Stage
from daemon.csi.interface import Caller, DocumentPath
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.values import NewDocument
from tests.e2e.harness import Daemon, running
from tests.openai_stub import DIMENSIONS

_CHUNK = 512
_SECTIONS = 100_000
_PER_DOCUMENT = 100
_BATCH = 100
_WORDS = 20_000


def chunking(stage: Stage) -> Row:
    """By a tokenizer that was made of that text; the same library alone is the baseline."""
    text = _prose(random.Random(1), size=1 << 20)
    tokenizer = _tokenizer(text)
    root = stage.root / "chunking"
    root.mkdir()
    tokenizer.save(str(root / "tokenizer.json"))
    (root / "config.toml").write_text(f'[tokenizers]\nbench = "{root}/tokenizer.json"\n')
    params = {"model": "bench", "max_tokens": _CHUNK, "overlap": 0}
    ours: list[float] = []
    bare: list[float] = []
    with running(root) as daemon:
        for _ in stage.rounds(5, 3):
            start = time.perf_counter()
            alone = TextSplitter.from_huggingface_tokenizer(tokenizer, _CHUNK).chunks(text)
            bare.append(time.perf_counter() - start)
            start = time.perf_counter()
            answer = daemon.request("POST", "/csi/v1/chunk", [{"text": text, "params": params}])
            ours.append(time.perf_counter() - start)
            assert answer.json() == [alone], answer.body[:300]
    return Row(
        name="chunking",
        what=f"1 MiB of text into chunks of {_CHUNK} tokens, over HTTP",
        baseline="semantic-text-splitter alone",
        bound=Bound(),
        value=ratio(ours, bare),
        measured=f"{median(ours):.2f} s against {median(bare):.2f} s",
        raw={"seconds": ours, "bare_seconds": bare},
    )


def search(stage: Stage) -> Row:
    """Full text, in an embedded index; queries of three words each, common and rare ones."""
    return _search(stage, name="search", index="fulltext", what="a full-text search")


def hybrid_search(stage: Stage) -> Row:
    """The same with vectors; the backend that embeds the queries answers at once."""
    with backend() as stub:
        environ = {**stub.settings, "EMBEDDING_MODEL": "bench"}
        what = f"a hybrid search (vectors of {DIMENSIONS} numbers)"
        return _search(stage, name="hybrid-search", index="hybrid", what=what, **environ)


def _search(stage: Stage, *, name: str, index: str, what: str, **environ: str) -> Row:
    root = stage.root / name
    root.mkdir()
    sections = _SECTIONS // 10 if stage.quick else _SECTIONS
    start = time.perf_counter()
    asyncio.run(_fill(root / "index.sqlite3", sections, _Draws() if environ else None))
    filled = time.perf_counter() - start
    where = f"embedded:{root}/index.sqlite3"
    with running(root, DOCUMENT_INDEX_URL=where, **environ) as daemon:
        first = _ask(daemon, "word1", index)
        draw = random.Random(2)
        seconds = sorted(_ask(daemon, _sentence(draw, 3), index) for _ in stage.rounds(300, 100))
    p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return Row(
        name=name,
        what=f"p99 of {what} in {sections} sections, over HTTP",
        baseline="none",
        bound=Bound(limit=100),
        value=p99 * 1e3,
        unit="ms",
        measured=f"p50 {p50 * 1e3:.1f} ms, first {first * 1e3:.0f} ms; "
        f"taken in at {sections / filled:.0f} sections/s",
        raw={"sections": sections, "seconds": seconds, "first": first, "seconds_to_fill": filled},
    )


class _Draws:
    """Vectors without meaning, so that taking texts in is what is measured."""

    model = "bench"

    def __init__(self) -> None:
        self._random = np.random.default_rng(4)

    async def embed(self, texts: Sequence[str], _: Caller) -> NDArray[np.float32]:
        """One row per text."""
        return self._random.standard_normal((len(texts), DIMENSIONS), dtype=np.float32)


def _ask(daemon: Daemon, query: str, index: str) -> float:
    path = {"namespace": "bench", "collection": "all", "index": index}
    asked = [{"query": query, "index_path": path, "max_results": 10, "filters": []}]
    start = time.perf_counter()
    answer = daemon.request("POST", "/csi/v1/search", asked)
    assert answer.status == 200, answer.body
    return time.perf_counter() - start


async def _fill(path: Path, sections: int, embeddings: _Draws | None) -> None:
    draw = random.Random(3)
    index = EmbeddedIndex(path, embeddings=embeddings)
    await index.open()
    try:
        for first in range(0, sections // _PER_DOCUMENT, _BATCH):
            numbers = range(first, min(first + _BATCH, sections // _PER_DOCUMENT))
            await index.add([_document(draw, number) for number in numbers])
        (held,) = await index.collections()
        assert held.sections >= sections, held
    finally:
        await index.close()


def _document(draw: random.Random, number: int) -> NewDocument:
    parts = [f"## Part {part}\n\n{_sentence(draw, 80)}" for part in range(_PER_DOCUMENT)]
    return NewDocument(DocumentPath("bench", "all", f"doc-{number}"), ["\n\n".join(parts)])


def _sentence(draw: random.Random, words: int) -> str:
    """Words as common as in a language: the n-th is drawn about 1/n as often as the first."""
    return " ".join(f"word{int(_WORDS ** draw.random())}" for _ in range(words))


def _prose(draw: random.Random, *, size: int) -> str:
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < size:
        sentences = (_sentence(draw, draw.randint(5, 25)) + "." for _ in range(6))
        paragraphs.append(" ".join(sentences) + "\n\n")
    return "".join(paragraphs)[:size]


def _tokenizer(text: str) -> Tokenizer:
    made = Tokenizer(BPE())
    made.pre_tokenizer = ByteLevel()
    made.train_from_iterator([text], BpeTrainer(vocab_size=4000, show_progress=False))
    return made
