"""Supervisors with scripted children, and calls for them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import daemon
from daemon.csi import interface as csi
from daemon.csi.context import Emit
from daemon.names import Digest, SkillPath
from daemon.skill import Artifact, Limits, SkillKind, World
from daemon.workers.calls import Invocation
from daemon.workers.policy import FleetPolicy, SupervisorPolicy
from daemon.workers.report import Finished
from daemon.workers.supervisor import Supervisor
from tests.waiting import unexpected

_ROOT = str(Path(daemon.__file__).parent.parent)
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import runpy; "
    "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)


def scripted(scenario: str = "good") -> tuple[str, ...]:
    """The command of a scripted child."""
    script = str(Path(__file__).with_name("scripted_child.py"))
    return (sys.executable, "-I", "-c", _BOOT, _ROOT, script, scenario)


def artifact(name: str = "plain") -> Artifact:
    """An artifact whose files nobody opens."""
    digest = Digest("sha256:" + "0" * 64)
    return Artifact(name, digest, World.V0_3, SkillKind.FUNCTION, Path("/nowhere"))


def call(do: str = "echo", *, skill: str = "one", of: str = "plain", **more: Any) -> Invocation:
    """A call whose guest does what `scripted_child` has for *do*."""
    limits = Limits(
        timeout=more.pop("timeout", 60.0),
        concurrency=more.pop("concurrency", 1000),
        memory=more.pop("memory", 1 << 30),
    )
    body = json.dumps({"do": do, **more}).encode()
    path = SkillPath.parse("team", skill)
    return Invocation(path, artifact(of), limits, body, csi.Caller())


class NoTools:
    """A host that lists no tools; its answers wait until `let` is set."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.let.set()
        self.asked = asyncio.Semaphore(0)
        self.callers: list[csi.Caller] = []
        self.cancelled = 0
        self.closed = 0
        self.error: BaseException | None = None
        self.events: list[Any] = []

    def __call__(self, caller: csi.Caller, emit: Emit) -> "NoTools":
        self.callers.append(caller)
        self.emit = emit
        return self

    async def answer(self, request: csi.Request) -> csi.Reply:
        """See HostContext."""
        self.asked.release()
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        for event in self.events:
            self.emit(event)
        if self.error is not None:
            raise self.error
        return csi.ToolList([])

    async def close(self) -> None:
        """See HostContext."""
        self.closed += 1


@asynccontextmanager
async def supervisor(
    *,
    workers: int = 1,
    host: NoTools | None = None,
    policy: SupervisorPolicy | None = None,
    finished: Callable[[Finished], None] | None = None,
    on_fatal: Callable[[BaseException], None] = unexpected,
    **fleet: Any,
) -> AsyncIterator[Supervisor]:
    """A started supervisor with the artifact `plain` loaded."""
    fleet = {"command": scripted(), "ping_interval": 60.0} | fleet
    options = {"finished": finished} if finished else {}
    made = Supervisor(
        host=host or NoTools(),
        fleet=FleetPolicy(workers=workers, **fleet),
        policy=policy,
        on_fatal=on_fatal,
        **options,
    )
    await made.start()
    try:
        await made.load(artifact(), describe=False)
        yield made
    finally:
        await made.stop(grace=0.0)
