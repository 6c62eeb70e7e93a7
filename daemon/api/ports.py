"""
What the HTTP shell needs of the rest of skilld, as small Protocols, and its own options.

Leaves out who stands behind them: `app` wires the real ones, tests bring their own.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from daemon.catalogue import Catalogue
from daemon.csi.interface import Caller, Document, DocumentPath, Drivers, Tools
from daemon.csi.mcp.status import ServerStatus
from daemon.csi.search.embedded.values import Change, CollectionSize, NewDocument
from daemon.errors import ErrorKind
from daemon.invoke import Described
from daemon.names import Namespace, SkillPath
from daemon.observability.tracing import Tracing
from daemon.skill import StreamEvent


class SkillRunner(Protocol):
    """The door to execution (`invoke.Skills`). Everything here raises only DaemonError."""

    async def run(self, path: SkillPath, body: bytes, caller: Caller) -> bytes:
        """Call a function with JSON text; return JSON text. Cancelling it stops the guest."""
        ...

    def stream(
        self, path: SkillPath, body: bytes, caller: Caller
    ) -> AsyncGenerator[StreamEvent, None]:
        """Call a streaming Skill with JSON text. Closing the generator stops the guest."""
        ...

    async def metadata(self, path: SkillPath) -> Described:
        """What the Skill says of itself."""
        ...


class Authorizer(Protocol):
    """Says who may call."""

    async def check(self, token: str | None) -> None:
        """Return if the bearer of *token* may call. Raises DaemonError if not, or if unknown."""
        ...


class DocumentStore(Protocol):
    """The embedded index, as far as it is filled over HTTP. Raises only DaemonError."""

    async def add(self, new: Sequence[NewDocument], caller: Caller) -> list[Change]:
        """Put documents in place of those of the same paths."""
        ...

    async def remove(self, paths: Sequence[DocumentPath]) -> list[bool]:
        """False where there was none."""
        ...

    async def document(self, path: DocumentPath, caller: Caller) -> Document:
        """Fetch a document."""
        ...

    async def names(self, namespace: str, collection: str, *, after: str, limit: int) -> list[str]:
        """Names of documents in order, those greater than *after*."""
        ...

    async def collections(self) -> list[CollectionSize]:
        """All of them, sorted."""
        ...


class BuiltSkills(Protocol):
    """Which Skills are pulled and compiled, for `/cached_skills`."""

    def paths(self) -> Sequence[SkillPath]:
        """All of them."""
        ...

    async def discard(self, path: SkillPath) -> bool:
        """Build a Skill anew from its registry; False where there was nothing to discard."""
        ...


Probe = Callable[[], str | None]
"""Returns why something is not ready, None if it is."""

Observe = Callable[[str, str, int, float], None]
"""Hears of each response head: method, route template, status, seconds."""


Failed = Callable[[ErrorKind], None]
"""Hears of each request, streams included, that ends in an error of ours."""


def _nobody_counts(_: ErrorKind) -> None:
    pass


def _no_servers(_: Namespace) -> Sequence[ServerStatus]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """
    All that the routes call.

    `csi` answers the CSI's routes. `ready` maps the name of each readiness check to its probe.
    """

    skills: SkillRunner
    catalogue: Catalogue
    csi: Drivers
    tools: Tools
    built: BuiltSkills
    authorizer: Authorizer
    reload: Callable[[], None]
    ready: dict[str, Probe] = field(default_factory=dict)
    mcp_servers: Callable[[Namespace], Sequence[ServerStatus]] = _no_servers
    documents: DocumentStore | None = None
    builtin_namespaces: frozenset[Namespace] = frozenset()
    observe: Observe | None = None
    failed: Failed = _nobody_counts
    tracing: Tracing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Sizes in bytes, times in seconds."""

    body_limit: int = 50 << 20
    body_memory: int = 512 << 20  # for all bodies together
    body_silence: float = 30.0  # during a body
    body_time: float = 300.0  # for a whole body
    stalled: float = 60.0  # in which a client takes nothing of its answer
    keep_alive: float = 75.0  # between requests, the next head included; load balancers have less
    heartbeat: float = 15.0  # silence on a message stream after which a comment is sent
    head_wait: float = 1.0  # how long a stream waits for its first event to choose the status
    cors_origins: tuple[str, ...] = ()
    csi_tools: tuple[str, ...] = ("*",)  # namespaces whose tools callers may use; * stands for all


SERVICES = web.AppKey("services", Services)
OPTIONS = web.AppKey("options", Options)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
