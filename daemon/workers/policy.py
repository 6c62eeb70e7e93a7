"""
How many, how much and how long: the numbers of the parent's side of execution.

The settings' defaults are those of `settings/model`; these here are for tests and small tools.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from daemon.workers.dispatch import Bounds
from daemon.workers.health import HealthPolicy
from daemon.workers.process import worker_command
from daemon.workers.shelf import WarmPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPolicy:
    """
    How many workers there are, and how long they are waited for, in seconds.

    `describe` caps reading a Skill's metadata. `drain` is how long a worker that is replaced may
    go on with its calls: longer than any call may take.
    """

    workers: int = 1
    hello: float = 30.0
    load: float = 60.0
    describe: float = 10.0
    describe_memory: int = 1 << 30
    ping_interval: float = 1.0
    drain: float = 660.0
    health: HealthPolicy = field(default_factory=HealthPolicy)
    command: Sequence[str] = field(default_factory=worker_command)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorPolicy:
    """
    Bounds and times of calls. Times in seconds, memory in bytes.

    `patience`: running for longer than this, a call no longer keeps others from its worker.
    """

    bounds: Bounds = field(default_factory=Bounds)
    queue_timeout: float = 10.0
    patience: float = 0.25
    warm: WarmPolicy = field(default_factory=WarmPolicy)
    warm_interval: float = 1.0
