"""Hand-written stand-ins for what the HTTP shell calls; each says what it does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.api.ports import Services
from daemon.catalogue import Catalogue
from daemon.csi.interface import Caller, Document, DocumentPath, Tool, ToolInvocation, ToolOutput
from daemon.csi.search.embedded.values import Change, CollectionSize, NewDocument
from daemon.errors import DaemonError, ErrorKind
from daemon.invoke import Described
from daemon.names import Namespace, SkillPath
from daemon.skill import StreamEvent
from tests.fakes_csi import drivers

Script = Callable[[bytes], AsyncGenerator[StreamEvent, None]]


@dataclass
class ScriptedSkills:
    """Answers as its tables say, by `namespace/name`; an unknown Skill is not found."""

    functions: dict[str, Callable[[bytes], Awaitable[bytes]]] = field(default_factory=dict)
    streams: dict[str, Script] = field(default_factory=dict)
    described: dict[str, Described] = field(default_factory=dict)
    callers: list[Caller] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, path: SkillPath, body: bytes, caller: Caller) -> bytes:
        self.callers.append(caller)
        if str(path) in self.streams:
            raise DaemonError(ErrorKind.SKILL_IS_STREAM, "use /message-stream")
        try:
            return await self._find(self.functions, path)(body)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def stream(
        self, path: SkillPath, body: bytes, caller: Caller
    ) -> AsyncGenerator[StreamEvent, None]:
        self.callers.append(caller)
        try:
            if str(path) in self.functions:
                raise DaemonError(ErrorKind.SKILL_IS_FUNCTION, "use /run")
            script = self._find(self.streams, path)(body)
            async for event in script:
                yield event
        finally:
            self.closed.set()

    async def metadata(self, path: SkillPath) -> Described:
        return self._find(self.described, path)

    @staticmethod
    def _find(table: dict[str, Any], path: SkillPath) -> Any:
        if str(path) not in table:
            raise DaemonError(ErrorKind.SKILL_NOT_FOUND, f"there is no Skill {path}")
        return table[str(path)]


class OneTool:
    """Every namespace has the tool `add`."""

    async def invoke(self, request: ToolInvocation, caller: Caller) -> ToolOutput:
        raise NotImplementedError

    async def list(self, caller: Caller) -> Sequence[Tool]:
        return [Tool("add", "Add two numbers", b'{"type":"object"}')]


class BuiltList:
    """Keeps a list of paths; discarding takes one off it."""

    def __init__(self, *paths: SkillPath) -> None:
        self.built = list(paths)

    def paths(self) -> Sequence[SkillPath]:
        return self.built

    async def discard(self, path: SkillPath) -> bool:
        present = path in self.built
        if present:
            self.built.remove(path)
        return present


class TokenList:
    """Accepts the tokens it was given."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = tokens

    async def check(self, token: str | None) -> None:
        if token is None:
            raise DaemonError(ErrorKind.TOKEN_MISSING, "send a bearer token")
        if token not in self.tokens:
            raise DaemonError(ErrorKind.TOKEN_REFUSED, "the token is not accepted")


class Everybody:
    """Accepts all."""

    async def check(self, token: str | None) -> None:
        return


class Kicks:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Documents:
    """An index in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[DocumentPath, Document] = {}

    async def add(self, new: Sequence[NewDocument], caller: Caller) -> list[Change]:
        """Everything is new."""
        for one in new:
            self.kept[one.path] = Document(one.path, list(one.contents), one.metadata)
        return ["added"] * len(new)

    async def remove(self, paths: Sequence[DocumentPath]) -> list[bool]:
        return [self.kept.pop(path, None) is not None for path in paths]

    async def document(self, path: DocumentPath, caller: Caller) -> Document:
        if path not in self.kept:
            raise DaemonError(ErrorKind.CSI_NOT_FOUND, f"there is no document {path.name!r}")
        return self.kept[path]

    async def names(self, namespace: str, collection: str, *, after: str, limit: int) -> list[str]:
        within = (namespace, collection)
        names = [one.name for one in self.kept if (one.namespace, one.collection) == within]
        return sorted(name for name in names if name > after)[:limit]

    async def collections(self) -> list[CollectionSize]:
        return [CollectionSize("library", "letters", len(self.kept), len(self.kept))]


def services(**changes: Any) -> Services:
    """Services that do nothing in particular, with *changes*."""
    defaults: dict[str, Any] = {
        "skills": ScriptedSkills(),
        "catalogue": Catalogue(),
        "csi": drivers(),
        "tools": OneTool(),
        "built": BuiltList(),
        "authorizer": Everybody(),
        "documents": Documents(),
        "reload": Kicks(),
        "builtin_namespaces": frozenset({Namespace("test-beta")}),
    }
    return Services(**(defaults | changes))
