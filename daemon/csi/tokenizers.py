"""
Where the tokenizers for chunking come from: files that the operator named, or the backend.

A fetched tokenizer is kept for all, but only for callers whose token the backend accepted for that
model lately: the first call of each token fetches it anew. Callers that come while a fetch runs for
the same token share it; a slow one holds up no other model. Leaves out chunking, and how a backend
is asked.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache, TTLCache
from tokenizers import Tokenizer

from daemon.csi.chunking import Tokenizers
from daemon.csi.interface import Caller
from daemon.errors import DaemonError, ErrorKind
from daemon.tasks import Tasks

Fetch = Callable[[str, Caller], Awaitable[bytes]]
"""Returns the `tokenizer.json` of a model, with the caller's token."""

_MAX_GRANTS = 10_000


@dataclass(frozen=True, slots=True)
class _Kept:
    """A tokenizer and the bytes or file that it was made of; `size` in bytes."""

    tokenizer: Tokenizer
    source: object
    size: int


class NoTokenizers:
    """Nothing is configured."""

    async def get(self, model: str, caller: Caller) -> Tokenizer:
        """Raises DaemonError(CSI_NOT_CONFIGURED)."""
        raise DaemonError(
            ErrorKind.CSI_NOT_CONFIGURED,
            f"there is no tokenizer for the model {model!r}: the operator has to name the path of "
            "its tokenizer.json in config.toml, under [tokenizers], or to set INFERENCE_URL",
        )


class LocalTokenizers:
    """Files by model; what is not among them is asked of *otherwise*."""

    def __init__(self, paths: Mapping[str, Path], *, otherwise: Tokenizers, kept: int = 16) -> None:
        """*kept*: how many tokenizers stay in memory."""
        self._paths = dict(paths)
        self._otherwise = otherwise
        self._kept: LRUCache[str, _Kept] = LRUCache(kept)
        self._locks = {model: asyncio.Lock() for model in paths}

    async def get(self, model: str, caller: Caller) -> Tokenizer:
        """See `Tokenizers`; a file that changed is read again."""
        path = self._paths.get(model)
        if path is None:
            return await self._otherwise.get(model, caller)
        async with self._locks[model]:
            found = await asyncio.to_thread(_read, model, path, self._kept.get(model))
            self._kept[model] = found
        return found.tokenizer


class FetchedTokenizers:
    """Tokenizers of the backend, for callers that it accepts."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        budget: int = 256 << 20,
        grant: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*budget*: bytes of `tokenizer.json` kept; *grant*: seconds until a token is asked for."""
        self._fetch = fetch
        self._kept: LRUCache[str, _Kept] = LRUCache(budget, getsizeof=lambda one: one.size)
        self._granted: TTLCache[tuple[str, bytes], bool] = TTLCache(_MAX_GRANTS, grant, clock)
        self._running: dict[tuple[str, bytes], asyncio.Task[Tokenizer | DaemonError]] = {}
        self._tasks = Tasks()

    async def get(self, model: str, caller: Caller) -> Tokenizer:
        """See `Tokenizers`."""
        key = (model, hashlib.sha256((caller.token or "").encode()).digest())
        kept = self._kept.get(model)
        if kept is not None and key in self._granted:
            return kept.tokenizer
        running = self._running.get(key)
        if running is None:
            running = self._tasks.spawn(self._attempt(key, caller), name=f"tokenizer of {model}")
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        found = await asyncio.shield(running)
        if isinstance(found, DaemonError):
            raise found
        return found

    async def close(self) -> None:
        """End what is being fetched."""
        await self._tasks.close()

    async def _attempt(self, key: tuple[str, bytes], caller: Caller) -> Tokenizer | DaemonError:
        """A refusal is told to who waits, if anybody does; it is no failure of the task."""
        try:
            return await self._load(key, caller)
        except DaemonError as error:
            return error

    async def _load(self, key: tuple[str, bytes], caller: Caller) -> Tokenizer:
        model, _ = key
        data = await self._fetch(model, caller)
        digest = hashlib.sha256(data).digest()
        kept = self._kept.get(model)
        if kept is None or kept.source != digest:
            kept = _Kept(await asyncio.to_thread(_parse, model, data), digest, len(data))
            if kept.size <= self._kept.maxsize:
                self._kept[model] = kept
        self._granted[key] = True
        return kept.tokenizer


def _read(model: str, path: Path, kept: _Kept | None) -> _Kept:
    try:
        stat = path.stat()
        source = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if kept is not None and kept.source == source:
            return kept
        data = path.read_bytes()
    except OSError as error:
        raise DaemonError(
            ErrorKind.CSI_NOT_CONFIGURED,
            f"the tokenizer of the model {model!r} can't be read: {error.strerror}; the operator "
            f"has to correct its path in [tokenizers]",
        ) from error
    return _Kept(_parse(model, data), source, len(data))


def _parse(model: str, data: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:
        # The library has no type for its errors, so it is this one; any other is a bug of ours.
        if type(error) not in {Exception, UnicodeDecodeError}:
            raise
        raise DaemonError(
            ErrorKind.CSI_UPSTREAM,
            f"the tokenizer of the model {model!r} is no tokenizer.json that can be read: {error}",
        ) from error
