"""
What a Skill is to the rest of skilld: the values that travel from reconcile to workers and API.

Leaves out how any of them is made: `component` reads binaries, `build_cache` compiles,
`namespaces` reads wishes.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from daemon.names import Digest, SkillPath, Tag


class SkillKind(StrEnum):
    """Which route a Skill answers on: `/run` or `/message-stream`."""

    FUNCTION = "function"
    MESSAGE_STREAM = "message_stream"


class World(StrEnum):
    """The WIT worlds that we serve, oldest first; the value is the newest patch of each."""

    V0_1 = "unversioned"  # `run: func(in: string) -> string`, before packages had versions
    V0_2 = "0.2.10"
    V0_3 = "0.3.11"
    V0_4 = "0.4.0"
    V0_5 = "0.5.0"

    @property
    def has_metadata(self) -> bool:
        """Whether a function of this world can say what it is."""
        return self not in {World.V0_1, World.V0_2}

    @property
    def line(self) -> str | None:
        """What callers are told, for example `0.4`; None without metadata, as the reference."""
        return ".".join(self.value.split(".")[:2]) if self.has_metadata else None


Variant = Literal["split", "whole"]
"""Compiled with its shared modules apart, or in one piece, which runs faster."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one call. Memory and output in bytes, timeout in seconds of wall-clock time."""

    memory: int = 1 << 30
    timeout: float = 600.0
    output: int = 50 << 20
    concurrency: int = 1024

    def tightened(
        self, *, memory: int | None, timeout: float | None, concurrency: int | None
    ) -> "Limits":
        """Return these caps lowered to a Skill's own wishes; higher wishes change nothing."""
        return Limits(
            memory=min(self.memory, memory or self.memory),
            timeout=min(self.timeout, timeout or self.timeout),
            output=self.output,
            concurrency=min(self.concurrency, concurrency or self.concurrency),
        )


@dataclass(frozen=True, slots=True)
class Artifact:
    """
    One compiled Skill on disk, ready for a worker.

    `id` names this very set of files: equal ids are interchangeable. `shared` maps the import
    names of the split component to the precompiled core modules that satisfy them; it is empty
    for a whole component. `strings` tells that the byte lists of `run` and `metadata` were
    rewritten to strings. `memories` is what each linear memory starts with, in bytes.
    """

    id: str
    digest: Digest
    world: World
    kind: SkillKind
    component: Path
    shared: tuple[tuple[str, Path], ...] = ()
    strings: bool = False
    memories: tuple[int, ...] = ()

    @property
    def least_memory(self) -> int:
        """The cap on memory in bytes below which it can't start: the memories share it evenly."""
        return max(self.memories, default=0) * len(self.memories)

    @property
    def variant(self) -> Variant:
        """Which of its forms it is."""
        return "split" if self.shared else "whole"

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that must stay while this artifact is served."""
        return (self.component, *(path for _, path in self.shared))


class SkillMetadata(msgspec.Struct, frozen=True):
    """What a Skill says of itself. Schemas are JSON Schemas, already parsed and checked."""

    description: str | None = None
    input_schema: Any = None
    output_schema: Any = None


class Failure(msgspec.Struct, frozen=True):
    """An error as a value: its kind's code (`errors.ErrorKind`) and its text."""

    kind: str
    message: str
    retry_after: float | None = None


class Description(msgspec.Struct, frozen=True):
    """What a Skill says of itself, or why it could not; both None where its world has no words."""

    metadata: SkillMetadata | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RegistryRef:
    """
    Where the components of a namespace come from; credentials are looked up, never held here.

    Either `directory` (a folder of `*.wasm`) or `host` with `repository` (the part before the
    Skill's name, without outer slashes, may be empty).
    """

    host: str = ""
    repository: str = ""
    directory: Path | None = None

    def __str__(self) -> str:
        if self.directory is not None:
            return str(self.directory)
        return f"{self.host}/{self.repository}" if self.repository else self.host


@dataclass(frozen=True, slots=True)
class SkillSpec:
    """A wish for a WebAssembly Skill, as its namespace states it, before any registry is asked."""

    path: SkillPath
    registry: RegistryRef
    tag: Tag = field(default_factory=lambda: Tag("latest"))
    digest: Digest | None = None  # a pin: the tag is then only a label
    memory: int | None = None
    timeout: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class ChatSpec:
    """A wish for a chat Skill: no component, a model and a system prompt."""

    path: SkillPath
    version: str
    model: str
    system_prompt: str


AnySpec = SkillSpec | ChatSpec


# What a streaming Skill says, in order. The API turns each into one server-sent event.


class MessageBegin(msgspec.Struct, frozen=True, tag="begin"):
    """A message starts."""


class MessageAppend(msgspec.Struct, frozen=True, tag="append"):
    """A piece of the message's text."""

    text: str


class MessageEnd(msgspec.Struct, frozen=True, tag="end"):
    """The message is complete. `payload` is JSON text; None stands for JSON null."""

    payload: bytes | None = None


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """A piece of the model's reasoning."""

    text: str


class ToolBegin(msgspec.Struct, frozen=True, tag="tool-begin"):
    """A tool call starts."""

    name: str


class ToolEnd(msgspec.Struct, frozen=True, tag="tool-end"):
    """A tool call succeeded."""

    name: str


class ToolFailed(msgspec.Struct, frozen=True, tag="tool-error"):
    """A tool call failed; the Skill hears of it and goes on."""

    name: str
    message: str


StreamEvent = (
    MessageBegin | MessageAppend | MessageEnd | Reasoning | ToolBegin | ToolEnd | ToolFailed
)
