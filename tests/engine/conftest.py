"""Skills loaded into this very process, and the means to call them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.csi import interface as csi
from daemon.engine import execute
from daemon.engine.call import Call, running
from daemon.engine.gate import Gate
from daemon.engine.loaded import Loaded, Loader
from daemon.skill import SkillKind, StreamEvent, World
from tests.wat.compiled import compiled

MEMORY = 1 << 28


class ScriptedHost:
    """Answers with the replies it was given, in order; notes what it was asked and told."""

    def __init__(self, *replies: csi.Reply | BaseException) -> None:
        self._replies = list(replies)
        self.asked: list[csi.Request] = []
        self.told: list[StreamEvent] = []

    def ask(self, call: Call, request: csi.Request) -> csi.Reply:
        self.asked.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def emit(self, call: Call, event: StreamEvent) -> None:
        self.told.append(event)


def a_call(host: ScriptedHost | None = None) -> Call:
    """A call that has the slot."""
    call = Call(number=1, timeout=30, gate=Gate(), host=host or ScriptedHost())
    call.begin()
    return call


def run(
    skill: Loaded, text: bytes, host: ScriptedHost | None = None, *, cap: int = 1 << 20
) -> bytes | None:
    """Call a Skill once, as a worker does."""
    call = a_call(host)
    with running(call):
        instance = skill.instantiate(memory=MEMORY, call=call)
        try:
            return execute.run(call, skill, instance, text=text, cap=cap)
        finally:
            instance.close()


@pytest.fixture(scope="session")
def loader() -> Loader:
    """One engine for all."""
    return Loader()


Load = Callable[..., Loaded]


@pytest.fixture(scope="session")
def cache(request: pytest.FixtureRequest) -> Path:
    """Where compiled components outlive the session: real Skills take seconds."""
    return Path(request.config.cache.mkdir("compiled"))  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def load(loader: Loader, cache: Path) -> Load:
    """`load(source, world=..., kind=..., strings=..., memories=...)`."""

    def load_it(
        source: str | bytes,
        *,
        world: World = World.V0_5,
        kind: SkillKind = SkillKind.FUNCTION,
        strings: bool = False,
        memories: int = 1,
    ) -> Loaded:
        path = str(compiled(source, cache))
        return loader.load(
            world=world, kind=kind, path=path, shared=(), strings=strings, memories=memories
        )

    return load_it
