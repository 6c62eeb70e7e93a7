"""
From settings to the Document Index: the service, the embedded one, or none.

Beside `backends`, apart so that the command line can fill an index without all other drivers.
Leaves out inference and tools.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from daemon.csi.inference.http import Backend, Bounds
from daemon.csi.search.document_index import BOUNDS, NAME, DocumentIndex
from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret
from daemon.settings.model import Settings

if TYPE_CHECKING:
    from daemon.csi.search.embedded.index import EmbeddedIndex
    from daemon.csi.search.embeddings import OpenAiEmbeddings

_EMBEDDED = "embedded:"


def inference_bounds(settings: Settings) -> Bounds:
    """How long inference may take, embeddings too."""
    return Bounds(
        first_byte=settings.inference_start_timeout,
        idle=settings.inference_idle_timeout,
        whole=settings.inference_timeout,
    )


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
        raise DaemonError(
            ErrorKind.CONFIGURATION, "DOCUMENT_INDEX_URL=embedded: needs a path after the colon"
        )
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

    table = settings.openai_inference
    url = table.get("url")
    if not url:
        raise DaemonError(
            ErrorKind.CONFIGURATION, "EMBEDDING_MODEL is set, OPENAI_INFERENCE__URL is not"
        )
    file = table.get("token-file")
    token = Secret(str(table.get("token", "")), Path(str(file)) if file else None)
    backend = Backend(session, str(url), bounds=inference_bounds(settings))
    return OpenAiEmbeddings(backend, model=settings.embedding_model, token=token)
