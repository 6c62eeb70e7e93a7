"""
From settings to the drivers behind the CSI, with the connections that they share.

Beside `wiring`, for the objects that talk to backends. Leaves out what a driver does, and who
asks.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from daemon import __version__, indexes
from daemon.catalogue import Catalogue
from daemon.csi import interface as csi
from daemon.csi.chunking import SemanticChunking, Tokenizers
from daemon.csi.inference.aleph_alpha import AlephAlphaInference
from daemon.csi.inference.connections import open_session
from daemon.csi.inference.http import Backend
from daemon.csi.inference.openai import OpenAiInference
from daemon.csi.language import Lingua
from daemon.csi.mcp.options import parse_options
from daemon.csi.mcp.servers import McpServers
from daemon.csi.observed import observed
from daemon.csi.tokenizers import FetchedTokenizers, LocalTokenizers, NoTokenizers
from daemon.csi.tools import NativeTools, Toolbox
from daemon.csi.unconfigured import UnconfiguredDocumentIndex, UnconfiguredInference
from daemon.names import Namespace
from daemon.observability.metrics import Metrics
from daemon.observability.tracing import Tracing
from daemon.settings import parse, tables
from daemon.settings.model import Settings

if TYPE_CHECKING:
    from daemon.csi.search.embedded.index import EmbeddedIndex


@dataclass(frozen=True, slots=True)
class Backends:
    """The drivers; the embedded index, if there is one; and the MCP servers among the tools."""

    drivers: csi.Drivers
    documents: "EmbeddedIndex | None"
    mcp: McpServers


@asynccontextmanager
async def backends(
    settings: Settings,
    catalogue: Catalogue,
    *,
    metrics: Metrics,
    on_fatal: Callable[[BaseException], None],
    tracing: Tracing | None = None,
) -> AsyncGenerator[Backends, None]:
    """
    Open what the settings configure; *metrics* and *tracing* hear of each request, *on_fatal* of
    a failure that must end the process.

    Raises DaemonError(CONFIGURATION).
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        documents = await stack.enter_async_context(indexes.embedded(settings, session))
        mcp = McpServers(
            lambda: catalogue.tools,
            options=parse_options(settings.mcp_servers),
            on_fatal=on_fatal,
            version=__version__,
        )
        await mcp.start()
        stack.push_async_callback(mcp.close)
        model = inference(settings, session)
        index = documents or indexes.service(settings, session)
        found = csi.Drivers(
            inference=model or UnconfiguredInference(),
            document_index=index or UnconfiguredDocumentIndex(),
            chunking=_chunking(settings, model, stack),
            language=Lingua(),
            tools=Toolbox(NativeTools(_enabled_in(catalogue)), mcp),
        )
        yield Backends(observed(found, metrics, tracing), documents, mcp)


def _chunking(
    settings: Settings, model: csi.Inference | None, stack: AsyncExitStack
) -> csi.Chunking:
    """Tokenizers are the operator's files, then the backend's where it has any."""
    source: Tokenizers = NoTokenizers()
    if isinstance(model, AlephAlphaInference):
        source = fetched = FetchedTokenizers(model.tokenizer)
        stack.push_async_callback(fetched.close)
    table = settings.tokenizers
    paths = {name: tables.value(table, name, parse.path, at="tokenizers") for name in table}
    return SemanticChunking(
        LocalTokenizers(paths, otherwise=source), character_fallback=settings.chunking_characters
    )


def inference(settings: Settings, session: aiohttp.ClientSession) -> csi.Inference | None:
    """Return the driver that is configured: INFERENCE_URL wins over OPENAI_INFERENCE."""
    bounds = indexes.inference_bounds(settings)
    if settings.inference_url is not None:
        return AlephAlphaInference(Backend(session, settings.inference_url, bounds=bounds))
    place = indexes.openai(settings)
    if place is None:
        return None
    return OpenAiInference(Backend(session, place.url, bounds=bounds), place.token)


def _enabled_in(catalogue: Catalogue) -> Callable[[Namespace], tuple[str, ...]]:
    """Return what tells which native tools a namespace enables now."""

    def enabled(namespace: Namespace) -> tuple[str, ...]:
        tools = catalogue.tools.get(namespace)
        return tools.native if tools is not None else ()

    return enabled
