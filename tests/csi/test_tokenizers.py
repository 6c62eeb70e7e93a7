"""Tokenizers from files and from a backend, kept but never lent to strangers."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from daemon.csi.interface import Caller
from daemon.csi.tokenizers import FetchedTokenizers, LocalTokenizers, NoTokenizers
from daemon.errors import DaemonError, ErrorKind

ANNA, BERT = Caller(token="anna"), Caller(token="bert")


def tokenizer(*words: str) -> bytes:
    """A `tokenizer.json` that knows *words*."""
    vocabulary = {word: n for n, word in enumerate(words)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": words[0]}
    return json.dumps({"version": "1.0", "model": model}).encode()


class Shelf:
    """A backend; knows who may see what, and can be slow for a model."""

    def __init__(self) -> None:
        self.allowed = {"anna"}
        self.asked: list[tuple[str, str | None]] = []
        self.slow = asyncio.Event()
        self.content = tokenizer("a", "b")

    async def __call__(self, model: str, caller: Caller) -> bytes:
        """A `Fetch`."""
        self.asked.append((model, caller.token))
        if model == "slow":
            await self.slow.wait()
        if caller.token not in self.allowed:
            raise DaemonError(ErrorKind.CSI_UNAUTHORIZED, "refused")
        return self.content


async def test_a_fetched_tokenizer_is_kept() -> None:
    """For the token that fetched it, until the grant ends."""
    now, shelf = [0.0], Shelf()
    tokenizers = FetchedTokenizers(shelf, grant=10, clock=lambda: now[0])

    first = await tokenizers.get("m", ANNA)
    assert await tokenizers.get("m", ANNA) is first
    assert len(shelf.asked) == 1

    now[0] = 11
    assert await tokenizers.get("m", ANNA) is first
    assert len(shelf.asked) == 2
    shelf.allowed.clear()
    now[0] = 22
    with pytest.raises(DaemonError, match="refused"):
        await tokenizers.get("m", ANNA)


async def test_the_cache_does_not_bypass_the_backends_permissions() -> None:
    """Another token has to be accepted first."""
    shelf = Shelf()
    tokenizers = FetchedTokenizers(shelf)
    kept = await tokenizers.get("m", ANNA)

    for caller in (BERT, Caller()):
        with pytest.raises(DaemonError) as caught:
            await tokenizers.get("m", caller)
        assert caught.value.kind is ErrorKind.CSI_UNAUTHORIZED
    shelf.allowed.add("bert")

    assert await tokenizers.get("m", BERT) is kept


async def test_a_refusal_is_the_callers_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of ours failed."""
    tokenizers = FetchedTokenizers(Shelf())

    with pytest.raises(DaemonError, match="refused"):
        await tokenizers.get("m", BERT)

    await tokenizers.close()
    assert not caplog.records


async def test_a_slow_model_holds_up_no_other_and_is_fetched_once() -> None:
    """All who wait for it share one request, also when the first one leaves."""
    shelf = Shelf()
    tokenizers = FetchedTokenizers(shelf)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(tokenizers.get("slow", ANNA)) for _ in range(5)]
        await tokenizers.get("fast", ANNA)
        waiting[0].cancel()
        shelf.slow.set()

    assert [model for model, _ in shelf.asked].count("slow") == 1
    assert len({id(task.result()) for task in waiting[1:]}) == 1
    await tokenizers.close()


async def test_a_changed_tokenizer_replaces_the_kept_one() -> None:
    """When it is fetched for another caller."""
    shelf = Shelf()
    shelf.allowed.add("bert")
    tokenizers = FetchedTokenizers(shelf)
    await tokenizers.get("m", ANNA)
    shelf.content = tokenizer("a", "b", "c")

    assert (await tokenizers.get("m", BERT)).get_vocab_size() == 3
    assert (await tokenizers.get("m", ANNA)).get_vocab_size() == 3


async def test_memory_is_bounded() -> None:
    """What does not fit is fetched again; what is larger than all is not kept."""
    shelf = Shelf()
    tokenizers = FetchedTokenizers(shelf, budget=len(shelf.content))

    for model in ("m", "n", "m"):
        await tokenizers.get(model, ANNA)

    assert len(shelf.asked) == 3
    await FetchedTokenizers(shelf, budget=1).get("m", ANNA)


@pytest.mark.parametrize("content", [b"{}", b"", b"\xff", b"[" * 100_000])
async def test_what_is_no_tokenizer_is_told(content: bytes) -> None:
    """With the model."""
    shelf = Shelf()
    shelf.content = content

    with pytest.raises(DaemonError, match="'m'") as caught:
        await FetchedTokenizers(shelf).get("m", ANNA)

    assert caught.value.kind is ErrorKind.CSI_UPSTREAM


async def test_a_file_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    """Without a token: the operator put it there for all."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(tokenizer("a"))
    tokenizers = LocalTokenizers({"org/m": path}, otherwise=NoTokenizers())

    first = await tokenizers.get("org/m", Caller())
    assert await tokenizers.get("org/m", Caller()) is first
    path.write_bytes(tokenizer("a", "b"))
    os.utime(path, ns=(1, 1))

    assert (await tokenizers.get("org/m", Caller())).get_vocab_size() == 2


async def test_other_models_are_asked_of_the_backend(tmp_path: Path) -> None:
    """Files are for some models only."""
    tokenizers = LocalTokenizers(
        {"m": tmp_path / "none"}, otherwise=FetchedTokenizers(Shelf(), budget=1 << 20)
    )

    assert (await tokenizers.get("other", ANNA)).get_vocab_size() == 2
    with pytest.raises(DaemonError, match=r"'m' can't be read: No such file") as caught:
        await tokenizers.get("m", ANNA)
    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED


async def test_an_unknown_model_says_what_to_configure() -> None:
    """Both ways."""
    with pytest.raises(DaemonError, match=r"\[tokenizers\].*INFERENCE_URL") as caught:
        await NoTokenizers().get("m", ANNA)

    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED
