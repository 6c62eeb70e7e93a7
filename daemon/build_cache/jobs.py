"""
What the precompiler and its compile child say to each other: one JSON line each way. Pure.

The child is told to `Read` a component, answers with an `Outline` of what there is to compile,
is told what to `Compile` and where to write it (others may be busy with, or have finished, a
shared module), and answers with what it `Made`. Either answer may be a `Refused`. One that has
waited is sent a `Ping` first.
"""

import msgspec

from daemon.skill import SkillKind, World


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Say that you are there."""


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Read the component at a path. `split`: look for shared modules."""

    component: str
    split: bool


class Compile(msgspec.Struct, frozen=True, tag="compile"):
    """
    Compile to these paths: the component, and shared modules by the sha256 of their source.

    An empty `component` means that only modules are wanted.
    """

    component: str
    modules: dict[str, str] = {}


class Shared(msgspec.Struct, frozen=True):
    """A shared module: the import that stands for it in the component, and its sha256 in hex."""

    import_name: str
    sha256: str


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """I am."""


class Outline(msgspec.Struct, frozen=True, tag="outline"):
    """
    What the component is. `memories` is what each of its linear memories starts with, in bytes.

    `whole_because` says why it can't be split, where that was asked.
    """

    world: World
    kind: SkillKind
    shared: list[Shared]
    memories: list[int] = []
    whole_because: str = ""
    seconds: dict[str, float] = {}


class Written(msgspec.Struct, frozen=True):
    """A file written and synced: the sha256 of its content in hex, its size in bytes."""

    sha256: str
    size: int


class Made(msgspec.Struct, frozen=True, tag="made"):
    """
    What was compiled. `shared` may be empty although the outline named modules: the compiler
    refused the split component, and the file holds the whole one.
    """

    component: Written | None
    modules: dict[str, Written]
    shared: list[Shared]
    strings: bool
    seconds: dict[str, float] = {}


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why nothing was made: an error kind's code and its text."""

    kind: str
    message: str


Request = Ping | Read | Compile
Answer = Pong | Outline | Made | Refused
