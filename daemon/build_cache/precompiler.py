"""
Compiles each Skill, and each module that Skills share, once: in children, under caps.

Concurrent wishes for the same are one compile; so are the shared modules of different Skills.
Background compiles (the whole variant, while the split one already serves) run on one thread at
the lowest priority, in a lane of their own, so that nobody waits for them.

Leaves out where files are kept (`store`), and the child itself (`child`, `engine/compile`).
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from daemon.build_cache.child import Caps, Child
from daemon.build_cache.jobs import Answer, Compile, Made, Outline, Read
from daemon.build_cache.shelf import CompiledSkill, Record
from daemon.build_cache.store import Store
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.skill import Artifact, Variant
from daemon.tasks import Tasks, to_the_end

_log = logging.getLogger(__name__)
_numbers = itertools.count()

T = TypeVar("T", bound=Answer)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A Skill to compile."""

    digest: Digest
    component: Path
    variant: Variant
    background: bool

    @property
    def key(self) -> tuple[Digest, Variant]:
        return self.digest, self.variant


@dataclass(slots=True)
class _Flight:
    """A compile under way, and how many wait for it; owned by the precompiler."""

    wish: _Wish
    task: "asyncio.Task[Artifact | DaemonError]"
    waiting: int = 0
    superseded: bool = False


Observe = Callable[[Digest, Variant, Mapping[str, float]], None]
"""Hears how many seconds each step of a compile took: start, read, split, compile, store."""


def _log_timings(digest: Digest, variant: Variant, seconds: Mapping[str, float]) -> None:
    steps = ", ".join(f"{step} {value:.2f} s" for step, value in seconds.items())
    _log.info("compiled %s (%s): %s", digest, variant, steps)


class Precompiler:
    """
    The only one who compiles. Owned by the composition root, which closes it.

    `parallel`: how many foreground compiles may run at once. `spare`: keep one child started and
    waiting, which saves its start-up time.
    """

    def __init__(
        self,
        store: Store,
        *,
        caps: Caps | None = None,
        parallel: int = 2,
        spare: bool = True,
        observe: Observe = _log_timings,
    ) -> None:
        self._store = store
        self._caps = caps or Caps()
        self._observe = observe
        self._lanes = {False: asyncio.Semaphore(parallel), True: asyncio.Semaphore(1)}
        self._flights: dict[tuple[Digest, Variant], _Flight] = {}
        self._modules: dict[str, asyncio.Event] = {}  # sha256 -> set when its compile has ended
        self._tasks = Tasks()
        self._nursery = _Nursery(self._caps, keep_spare=spare)

    async def warm_up(self) -> None:
        """Start the spare child ahead of the first compile."""
        await self._nursery.replenish()

    async def close(self) -> None:
        """Stop all compiles; whoever waits for one is cancelled."""
        await self._tasks.close()
        await self._nursery.close()

    async def prepare(
        self, digest: Digest, component: Path, *, variant: Variant, background: bool = False
    ) -> Artifact:
        """
        Return the compiled Skill: from the cache, or from a compile of the file *component*.

        A component that can't be split is compiled whole. Raises DaemonError.
        """
        found = await asyncio.to_thread(self._store.artifact, digest, variant)
        if found is not None:
            return found
        wish = _Wish(digest, component, variant, background)
        while True:
            flight = self._board(wish)
            try:
                outcome = await _landing(flight)
            finally:
                await self._leave(flight)
            if isinstance(outcome, DaemonError):
                raise outcome
            if outcome is not None:
                return outcome

    # Flights

    def _board(self, wish: _Wish) -> _Flight:
        """Join the compile that is under way, or start one. The foreground overtakes."""
        flight = self._flights.get(wish.key)
        if flight is not None and flight.wish.background and not wish.background:
            flight.superseded = True
            flight.task.cancel()
            flight = None
        if flight is None:
            task = self._tasks.spawn(self._fly(wish), name=f"compile {wish.digest}")
            flight = self._flights[wish.key] = _Flight(wish, task)
        flight.waiting += 1
        return flight

    async def _leave(self, flight: _Flight) -> None:
        """Step off; the last one to leave an unfinished compile stops it."""
        flight.waiting -= 1
        if flight.task.done() or not flight.waiting:
            if self._flights.get(flight.wish.key) is flight:
                del self._flights[flight.wish.key]
            flight.task.cancel()
            await asyncio.wait([flight.task])

    async def _fly(self, wish: _Wish) -> Artifact | DaemonError:
        owner = f"compile {next(_numbers)}"  # not by what it is: its successor may not wait for it
        try:
            async with self._lanes[wish.background]:
                await to_the_end(partial(self._store.pin, owner, [wish.component]))
                await self._compile(wish)
                made = await asyncio.to_thread(self._store.artifact, wish.digest, wish.variant)
        except DaemonError as error:
            return error
        finally:
            await asyncio.to_thread(self._store.unpin, owner)
        return made or DaemonError(
            ErrorKind.CACHE_UNUSABLE,
            "a compiled Skill vanished from the build cache, or was damaged, as soon as it was "
            "written: check the disk, and that SKILL_BUILD_CACHE_SIZE is large enough",
        )

    # One compile

    async def _compile(self, wish: _Wish) -> None:
        """Compile what is missing, in one child, and put it into the store."""
        clock = time.perf_counter
        begin = clock()
        async with await self._nursery.child(background=wish.background) as child:
            seconds = {"start": clock() - begin}
            outline = _expect(
                Outline, await child.ask(Read(str(wish.component), wish.variant == "split"))
            )
            if outline.whole_because:
                _log.info("%s is compiled whole: %s", wish.digest, outline.whole_because)
            seconds |= outline.seconds
            seconds |= await self._compile_outline(wish, child, outline)
        await self._nursery.replenish()
        self._observe(wish.digest, wish.variant, seconds)

    async def _compile_outline(
        self, wish: _Wish, child: Child, outline: Outline
    ) -> Mapping[str, float]:
        """Compile the component and those modules that nobody else is compiling; return timings."""
        wanted = {one.sha256 for one in outline.shared}
        destination = await asyncio.to_thread(
            self._store.artifact_destination, wish.digest, wish.variant
        )
        with _cleared([destination]):
            with self._claimed(await self._missing(wanted), wish) as mine:
                made = await self._make(child, str(destination), mine)
            if made.shared:
                await self._complete(wish, child, wanted)
            skill = CompiledSkill(
                outline.world, outline.kind, made.shared, made.strings, outline.memories
            )
            if made.component is None:
                raise DaemonError(ErrorKind.INTERNAL, "the compile child made no component")
            record = Record(made.component, skill)
            await asyncio.to_thread(
                self._store.adopt_artifact, wish.digest, wish.variant, destination, record
            )
        return made.seconds

    async def _complete(self, wish: _Wish, child: Child, wanted: set[str]) -> None:
        """Wait for the modules that others compile; compile what they fail to deliver."""
        while missing := await self._missing(wanted):
            with self._claimed(missing, wish) as mine:
                if mine:
                    await self._make(child, "", mine)
                    continue
            busy = [self._modules[one] for one in missing if one in self._modules]
            for ended in busy:
                await ended.wait()

    async def _missing(self, wanted: Iterable[str]) -> list[str]:
        def missing() -> list[str]:
            return [sha256 for sha256 in sorted(wanted) if self._store.module(sha256) is None]

        return await asyncio.to_thread(missing)

    @contextmanager
    def _claimed(self, missing: Iterable[str], wish: _Wish) -> Iterator[list[str]]:
        """
        Yield those modules that are now ours to compile.

        The background waits for nobody and makes nobody wait: it compiles all, unannounced.
        """
        if wish.background:
            yield list(missing)
            return
        ended = asyncio.Event()
        mine = [sha256 for sha256 in missing if sha256 not in self._modules]
        self._modules |= dict.fromkeys(mine, ended)
        try:
            yield mine
        finally:
            for sha256 in mine:
                del self._modules[sha256]
            ended.set()

    async def _make(self, child: Child, component: str, modules: Iterable[str]) -> Made:
        """Have the child compile, and put the modules into the store."""
        destinations = await asyncio.to_thread(
            lambda: {sha256: self._store.module_destination(sha256) for sha256 in modules}
        )
        with _cleared(destinations.values()):
            paths = {sha256: str(path) for sha256, path in destinations.items()}
            made = _expect(Made, await child.ask(Compile(component, paths)))
            for sha256, content in made.modules.items():
                await asyncio.to_thread(
                    self._store.adopt_module, sha256, destinations[sha256], content
                )
        return made


class _Nursery:
    """Children that are started, and at most one that waits. Owned by the precompiler."""

    def __init__(self, caps: Caps, *, keep_spare: bool) -> None:
        self._caps = caps
        self._keep_spare = keep_spare
        self._spare: Child | None = None

    async def child(self, *, background: bool) -> Child:
        """Return a child: the spare one where there is one."""
        spare = self._spare
        if background or spare is None:
            return await Child.start(self._caps, background=background)
        self._spare = None
        if await spare.answers():
            return spare
        await spare.kill()
        return await Child.start(self._caps, background=False)

    async def replenish(self) -> None:
        """Start the child that will wait for the next compile, which can do without."""
        if not self._keep_spare or self._spare is not None:
            return
        try:
            child = await Child.start(self._caps, background=False)
        except DaemonError as error:
            _log.warning("%s; the next compile starts its own", error)
            return
        if self._spare is not None:  # somebody else was quicker
            await child.kill()
            return
        self._spare = child

    async def close(self) -> None:
        """End the child that waits."""
        spare, self._spare = self._spare, None
        if spare is not None:
            await spare.kill()


async def _landing(flight: _Flight) -> Artifact | DaemonError | None:
    """Wait for the outcome; None if another flight took over."""
    await asyncio.wait([flight.task])
    if flight.task.cancelled():
        if flight.superseded:
            return None
        raise DaemonError(ErrorKind.SHUTTING_DOWN, "skilld is shutting down")
    return flight.task.result()


def _expect(kind: type[T], answer: Answer) -> T:
    if not isinstance(answer, kind):
        raise DaemonError(
            ErrorKind.COMPILE_FAILED, f"the compile child answered {type(answer).__name__}"
        )
    return answer


@contextmanager
def _cleared(paths: Iterable[Path]) -> Iterator[None]:
    """Leave no unfinished files behind."""
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
