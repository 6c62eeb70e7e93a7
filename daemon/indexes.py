"""
From settings to the Document Index: the service, the embedded one, or none.

Beside `backends`, apart so that the command line can fill an index without all other drivers.
Leaves out inference and tools.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from daemon.csi.inference.http import Backend, Bounds
from daemon.csi.search.document_index import BOUNDS, NAME, DocumentIndex
from daemon.secret import Secret
from daemon.settings import parse, tables
from daemon.settings.model import Settings

if TYPE_CHECKING:
    from daemon.csi.search.embedded.index import EmbeddedIndex
    from daemon.csi.search.embeddings import OpenAiEmbeddings

_EMBEDDED = "embedded:"
_OPENAI_KEYS = frozenset({"url", "token", "token-file"})


def inference_bounds(settings: Settings) -> Bounds:
    """How long inference may take, embeddings too."""
    return Bounds(
        first_byte=settings.inference_start_timeout,
        idle=settings.inference_idle_timeout,
        whole=settings.inference_timeout,
    )


@dataclass(frozen=True, slots=True)
class OpenAi:
    """Where OpenAI-compatible inference is, and what it wants to see."""

    url: str
    token: Secret


def openai(settings: Settings) -> OpenAi | None:
    """Return what OPENAI_INFERENCE says, if anything. Raises DaemonError(CONFIGURATION)."""
    at = "OPENAI_INFERENCE"
    table = tables.checked(settings.openai_inference, _OPENAI_KEYS, at=at)
    url = tables.value(table, "url", parse.optional_url, at=at)
    token = tables.secret(table, "token", at=at)
    if not url and not token:
        return None
    if not url:
        raise tables.wrong("OPENAI_INFERENCE__TOKEN is set, OPENAI_INFERENCE__URL is not")
    if not token:
        raise tables.wrong("OPENAI_INFERENCE__URL is set, OPENAI_INFERENCE__TOKEN is not")
    return OpenAi(url, token)


def service(settings: Settings, session: aiohttp.ClientSession) -> DocumentIndex | None:
    """Return the driver of the service, if that is what is configured."""
    url = settings.document_index_url
    if not url or url.startswith(_EMBEDDED):
        return None
    return DocumentIndex(Backend(session, url, name=NAME, bounds=BOUNDS))


@asynccontextmanager
async def embedded(
    settings: Settings, session: aiohttp.ClientSession
) -> AsyncGenerator["EmbeddedIndex | None", None]:
    """
    Open the embedded index, if that is what is configured. Raises DaemonError.

    Embeddings come over *session*.
    """
    url = settings.document_index_url or ""
    if not url.startswith(_EMBEDDED):
        yield None
        return
    path = url.removeprefix(_EMBEDDED)
    if not path:
        raise tables.wrong("DOCUMENT_INDEX_URL=embedded: needs a path after the colon")
    # The index takes a tenth of a second and 30 MB to import: only where it is wanted.
    from daemon.csi.search.embedded.index import EmbeddedIndex  # noqa: PLC0415

    index = EmbeddedIndex(Path(path), embeddings=_embeddings(settings, session))
    try:
        await index.open()
        yield index
    finally:
        await index.close()


def _embeddings(settings: Settings, session: aiohttp.ClientSession) -> "OpenAiEmbeddings | None":
    if settings.embedding_model is None:
        return None
    from daemon.csi.search.embeddings import OpenAiEmbeddings  # noqa: PLC0415

    place = openai(settings)
    if place is None:
        raise tables.wrong("EMBEDDING_MODEL is set, OPENAI_INFERENCE__URL is not")
    backend = Backend(session, place.url, bounds=inference_bounds(settings))
    return OpenAiEmbeddings(backend, model=settings.embedding_model, token=place.token)
