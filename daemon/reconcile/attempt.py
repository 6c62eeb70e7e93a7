"""
The standing of one wish: what was tried, how it went, and when to try again.

Changed by the reconciler only, in plain functions. Leaves out the trying itself (`loop`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillPath
from daemon.reconcile.backoff import delay
from daemon.reconcile.moments import after
from daemon.reconcile.plan import NEVER
from daemon.skill import AnySpec, ChatSpec, Failure, SkillSpec

Action = Literal["served", "retired", "failed", "recovered", "upgraded"]


@dataclass(frozen=True, slots=True)
class Event:
    """
    A change, for metrics, logs and history.

    `phases` are the seconds that a `served` took: resolve, verify, pull, compile, load, and total
    (from the tick that noticed the wish).
    """

    action: Action
    path: SkillPath
    revision: str
    detail: str = ""
    failure: Failure | None = None
    phases: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(slots=True, kw_only=True)
class Attempt:
    """
    What is being done about one wish; owned by the reconciler.

    `generation` tells a late result from a current one. `refused` is a digest that failed for
    good: it is not tried again. `repair`: files of the served version are gone.
    """

    spec: AnySpec
    generation: int = 0
    noticed: float = 0.0
    due: float = NEVER
    retry_at: datetime | None = None
    digest: Digest | None = None
    refused: Digest | None = None
    failure: Failure | None = None
    failures: int = 0
    stalled: bool = False
    tried: bool = False
    repair: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether its task is at work."""
        return self.task is not None

    def stop_timer(self) -> None:
        """Let its time not come."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    @property
    def pinned(self) -> bool:
        """Whether nothing can change while the wish stays the same."""
        return isinstance(self.spec, ChatSpec) or self.spec.digest is not None

    @property
    def at_every_tick(self) -> bool:
        """
        Whether every tick may look: a directory costs no network, and its files kick the tick.

        A file that was missing or at fault may be there by now; other failures keep their backoff.
        """
        spec, failure = self.spec, self.failure
        if self.pinned or not isinstance(spec, SkillSpec) or spec.registry.directory is None:
            return False
        return failure is None or self.stalled or failure.kind == ErrorKind.NOT_IN_REGISTRY

    @property
    def on_request(self) -> bool:
        """Whether to look when somebody asks for it: not before the time that a registry named."""
        if self.failure is None:
            return not self.pinned
        return self.failure.retry_after is None

    def succeeded(self, *, now: float, interval: float) -> bool:
        """Note a success; look at a moving tag again after *interval*. True after a failure."""
        recovered = self.failure is not None
        self.failure, self.failures, self.stalled = None, 0, False
        self.refused, self.retry_at = None, None
        self.repair, self.tried = False, True
        self.due = NEVER if self.pinned else now + interval
        return recovered

    def failed(self, error: DaemonError, *, now: float, interval: float, random: float) -> bool:
        """Note a failure and when to try again; True if it is news."""
        news = self.failure is None or self.failure.message != error.detail
        self.failure = Failure(error.kind.value, error.detail, error.retry_after)
        self.failures += 1
        self.tried = True
        self.stalled = error.permanent and self.digest is not None
        if self.stalled:
            # The same bytes will fail again; only another digest is worth an attempt.
            self.refused = self.digest
            wait = NEVER if self.pinned else interval
        else:
            wait = delay(self.failures, random=random, at_least=error.retry_after)
        self.due = now + wait
        self.retry_at = None if wait == NEVER else after(wait)
        return news
