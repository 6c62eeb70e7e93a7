"""The same supervision with real workers and real guests, the hostile ones beside the others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.csi import interface as csi
from daemon.csi.context import DriverContext, Emit, HostContext
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillPath
from daemon.skill import (
    Artifact,
    Limits,
    MessageAppend,
    MessageBegin,
    MessageEnd,
    SkillKind,
    World,
)
from daemon.workers.calls import Invocation
from daemon.workers.health import HealthPolicy
from daemon.workers.policy import FleetPolicy, SupervisorPolicy
from daemon.workers.supervisor import Supervisor
from tests.csi.fakes import drivers
from tests.waiting import until
from tests.wat import components
from tests.wat.compiled import compiled

_DIGEST = Digest("sha256:" + "0" * 64)


def host(caller: csi.Caller, emit: Emit) -> HostContext:
    """Drivers that answer at once."""
    return DriverContext(drivers(), caller, emit)


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A function of many deeds: the second byte of its input says which."""
    path = compiled(components.function(), tmp_path_factory.mktemp("function"))
    return Artifact("function", _DIGEST, World.V0_5, SkillKind.FUNCTION, path)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A stream that plays its input as a script."""
    path = compiled(components.message_stream(), tmp_path_factory.mktemp("stream"))
    return Artifact("stream", _DIGEST, World.V0_5, SkillKind.MESSAGE_STREAM, path)


@pytest_asyncio.fixture
async def made(function: Artifact, stream: Artifact) -> AsyncIterator[Supervisor]:
    """Two workers that have both."""
    fleet = FleetPolicy(
        workers=2, ping_interval=0.3, health=HealthPolicy(pings=10, zombies=1, stuck=2.0)
    )
    fatal = list[BaseException]()
    supervisor = Supervisor(
        host=host, on_fatal=fatal.append, fleet=fleet, policy=SupervisorPolicy(patience=0.05)
    )
    await supervisor.start()
    try:
        for artifact in (function, stream):
            await supervisor.load(artifact, describe=True)
        yield supervisor
    finally:
        await supervisor.stop(grace=0.5)
    assert not fatal


def call(artifact: Artifact, body: bytes, *, timeout: float = 30.0, skill: str = "s") -> Invocation:
    """A call by a nobody."""
    path = SkillPath.parse("team", skill)
    return Invocation(path, artifact, Limits(timeout=timeout), body, csi.Caller())


def children() -> set[int]:
    """The worker processes of this one."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = {int(pid) for task in tasks for pid in task.read_text().split()}
    return {pid for pid in pids if b"daemon.workers" in Path(f"/proc/{pid}/cmdline").read_bytes()}


async def failure(made: Supervisor, invocation: Invocation) -> ErrorKind:
    """The kind of a call's error."""
    with pytest.raises(DaemonError) as caught:
        await made.run(invocation)
    return caught.value.kind


async def test_guests_answer(made: Supervisor, function: Artifact) -> None:
    """A hundred at once, each its own input."""
    bodies = [b'"echo %d"' % n for n in range(100)]
    answers = await asyncio.gather(*(made.run(call(function, body)) for body in bodies))
    assert answers == bodies
    assert made.stats.restarts == {}


async def test_host_calls_reach_the_drivers(made: Supervisor, function: Artifact) -> None:
    """And their answers the guest."""
    assert await made.run(call(function, b'"csi"')) == b'"csi"'


async def test_events_reach_the_reader(made: Supervisor, stream: Artifact) -> None:
    """In order, to the end."""
    got = [event async for event in made.stream(call(stream, b'"baap"'))]
    append = MessageAppend("a")
    assert got == [MessageBegin(), append, append, MessageEnd(b"1")]


async def test_slow_reader_holds_up_an_endless_guest(
    made: Supervisor, stream: Artifact, function: Artifact
) -> None:
    """It waits for credit without using its core, and ends when the reader leaves."""
    events = made.stream(call(stream, b'"bo"'))
    for _ in range(100):
        await anext(events)
    assert await made.run(call(function, b'"echo"')) == b'"echo"'
    await events.aclose()
    await until(lambda: made.stats.running + made.stats.waiting == 0)


async def test_endless_loops_do_not_stop_the_others(made: Supervisor, function: Artifact) -> None:
    """Twice as many as there are places; cancelled guests leave theirs."""
    loops = [
        asyncio.ensure_future(made.run(call(function, b'"loop"', skill="bad"))) for _ in range(8)
    ]
    await until(lambda: made.stats.running >= 4)

    for _ in range(5):
        assert await made.run(call(function, b'"echo"', skill="good")) == b'"echo"'

    for loop in loops:
        loop.cancel()
    await asyncio.wait(loops)
    await until(lambda: made.stats.running == 0)
    assert made.stats.restarts == {}


async def test_deadline_ends_a_loop(made: Supervisor, function: Artifact) -> None:
    """In the worker too."""
    kind = await failure(made, call(function, b'"loop"', timeout=0.2))
    assert kind is ErrorKind.DEADLINE_EXCEEDED
    await until(lambda: made.stats.running == 0)


async def test_worker_with_a_sleeper_is_replaced(made: Supervisor, function: Artifact) -> None:
    """A sleep in WASI can't be stopped: its worker goes, and nobody else notices."""
    kind = await failure(made, call(function, b'"sleep"', timeout=0.2))
    assert kind is ErrorKind.DEADLINE_EXCEEDED
    while not made.stats.restarts:
        assert await made.run(call(function, b'"echo"')) == b'"echo"'
    assert set(made.stats.restarts) <= {"zombies", "stuck"}


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSTOP])
async def test_lost_worker_under_load_fails_no_call(
    made: Supervisor, function: Artifact, death: signal.Signals
) -> None:
    """Killed, or hung until the pings find out; echoes have no effects, so they are retried."""
    victim = min(children())
    calls = [asyncio.ensure_future(made.run(call(function, b'"echo"'))) for _ in range(200)]
    await asyncio.sleep(0)
    os.kill(victim, death)
    assert await asyncio.gather(*calls) == [b'"echo"'] * 200
    await until(lambda: made.stats.workers_up == 2 and bool(made.stats.restarts))


async def test_damaged_file_is_refused(made: Supervisor, tmp_path: Path) -> None:
    """What is not a precompiled component is the file's fault, not the worker's."""
    path = tmp_path / "broken.cwasm"
    path.write_bytes(b"\0" * 100)
    broken = Artifact("broken", _DIGEST, World.V0_5, SkillKind.FUNCTION, path)
    with pytest.raises(DaemonError):
        await made.load(broken, describe=False)
    assert made.stats.workers_up == 2


async def test_stop_leaves_no_process(made: Supervisor) -> None:
    """Not even of idle workers."""
    pids = children()
    assert len(pids) == 2
    await made.stop(grace=5.0)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
