"""
One worker as its parent keeps it: its process, its load, and what it was given.

State only. Leaves out who starts and ends it (`fleet`), what it has to load (`loads`), and what
becomes of its calls (`supervisor`).
"""

import asyncio
from dataclasses import dataclass, field

from daemon.errors import DaemonError, ErrorKind
from daemon.workers.calls import Call
from daemon.workers.dispatch import Slot
from daemon.workers.health import Vitals
from daemon.workers.messages import Loaded
from daemon.workers.process import WorkerProcess


@dataclass(slots=True, eq=False)
class Worker:
    """
    One worker. Owned by the fleet.

    Before it is `ready` it loads, then it takes calls, and while `retiring` it ends those it has.
    An artifact in `slot.missing` is loaded by others only; one that is not `known` as well may be
    tried again.
    """

    number: int
    process: WorkerProcess = field(init=False)
    slot: Slot = field(init=False)
    calls: dict[int, Call] = field(default_factory=dict)
    abandoned: dict[int, float] = field(default_factory=dict)  # call: since when
    known: set[str] = field(default_factory=set)  # artifacts it has loaded, or can't load
    loads: dict[str, asyncio.Future[Loaded]] = field(default_factory=dict)
    warm: dict[str, int] = field(default_factory=dict)  # artifact: memory cap of its instances
    vitals: Vitals = field(default_factory=Vitals)
    weighed: asyncio.Future[None] | None = None  # done with its next pong
    alive: bool = True
    ready: bool = False
    retiring: bool = False

    def __post_init__(self) -> None:
        self.slot = Slot(self.number)

    def stuck(self, *, since: float) -> int:
        """Return how many of its calls were abandoned before *since* and have not ended."""
        return sum(when < since for when in self.abandoned.values())

    def bury(self) -> None:
        """It is gone; who waits for its loads hears of it."""
        self.alive = self.ready = False
        for waiting in (*self.loads.values(), self.weighed):
            if waiting is not None and not waiting.done():
                waiting.set_exception(
                    DaemonError(ErrorKind.WORKER_LOST, "the worker died while it loaded a Skill")
                )
