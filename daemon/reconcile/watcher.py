"""
File changes, signals and a timer, as ticks without payload.

A tick says "look again", never what happened: inotify drops and misses events, and goes silent
after a symlink was swapped. So the parents of all links are watched, the watches are renewed when
the links lead elsewhere, and the timer is the safety net. Leaves out reading (`snapshot`).
"""

import asyncio
import logging
import os
import random
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from daemon.tasks import Tasks

_log = logging.getLogger(__name__)
_MAX_LINKS = 40
_STEP = 0.02  # seconds of silence after which changes are told


@dataclass(frozen=True, slots=True, order=True)
class Watched:
    """A directory and its identity: a new directory of the same name needs a new watch."""

    path: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Targets:
    """What to watch: directories for themselves, *near* a link for example, and whole *trees*."""

    near: frozenset[Watched]
    trees: frozenset[Watched]


def targets(root: Path, flat: Iterable[Path] = ()) -> Targets:
    """
    Return what must be watched to hear of any change at or below *root*, and in *flat*.

    Teams name the latter in their files: below `/`, say, far too much changes.
    """
    beside, end = _follow(root)
    for path in flat:
        more, directory = _follow(path)
        beside |= more if directory is None else {*more, directory}
    near = frozenset(found for one in beside if (found := _watched(one)))
    tree = _watched(end) if end is not None else None
    return Targets(near, frozenset({tree} if tree else ()))


class Watcher:
    """
    Ticks at every change under *root*, at every `kick`, and every *interval* seconds.

    Owned by the reconciler. Where inotify can't be had, `polling` is true and the ticks come every
    *polling_interval* seconds instead, until it can be had again.
    """

    def __init__(
        self,
        root: Path,
        *,
        interval: float = 10.0,
        debounce: float = 0.1,
        polling_interval: float = 1.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._root = root
        self._interval = interval
        self._debounce = debounce
        self._polling_interval = min(interval, polling_interval)
        self._jitter = jitter
        self._also: frozenset[Path] = frozenset()
        self._kicked = asyncio.Event()
        self._moved = asyncio.Event()
        self.armed = asyncio.Event()
        self.watched: Targets | None = None
        self.polling = False
        self._failing = False  # and said so

    def kick(self) -> None:
        """Tick now; for SIGHUP and `POST /-/reload`."""
        self._kicked.set()

    def watch_also(self, directories: Iterable[Path]) -> None:
        """Watch these directories, not what is below, instead of those given before."""
        wanted = frozenset(directories)
        if wanted != self._also:
            self._also = wanted
            self._moved.set()

    async def ticks(self) -> AsyncGenerator[None, None]:
        """Tick once at the start, then whenever there may be something new."""
        tasks = Tasks()
        executor = ThreadPoolExecutor(2, thread_name_prefix="watch")
        watching = tasks.spawn(self._watch_forever(executor), name="watch files")
        watching.add_done_callback(lambda _: self.kick())
        try:
            while not watching.done():
                yield
                await self._pause()
            await watching  # it ends only by a bug, which ends the ticks
        finally:
            await tasks.close()
            executor.shutdown(wait=False)

    async def _pause(self) -> None:
        seconds = self._polling_interval if self.polling else self._interval
        # A tenth earlier or later: replicas must not ask in step.
        await _wait(self._kicked, seconds * (0.9 + 0.2 * self._jitter()))
        self._kicked.clear()

    async def _watch_forever(self, executor: ThreadPoolExecutor) -> None:
        while True:
            await self._watch_once(executor)

    async def _watch_once(self, executor: ThreadPoolExecutor) -> None:
        """Watch until the links lead elsewhere or inotify fails."""
        self._moved.clear()
        found = await asyncio.to_thread(targets, self._root, self._also)
        try:
            notifiers = await asyncio.to_thread(_arm, found)
        except (WatchfilesRustInternalError, OSError) as error:
            await self._degraded(error)
            return
        self.watched = found
        self._recovered()
        stop = threading.Event()
        try:
            async with asyncio.TaskGroup() as group:
                for notifier in notifiers:
                    listening = self._listen(notifier, executor=executor, stop=stop)
                    group.create_task(listening, name="listen to inotify")
                group.create_task(self._until_moved(found, stop=stop), name="follow links")
        finally:
            stop.set()
            self.armed.clear()
            self.watched = None

    async def _listen(
        self, notifier: RustNotify, *, executor: ThreadPoolExecutor, stop: threading.Event
    ) -> None:
        loop = asyncio.get_running_loop()
        debounce, step = int(self._debounce * 1000), int(_STEP * 1000)
        while not stop.is_set():
            try:
                changes = await loop.run_in_executor(
                    executor, notifier.watch, debounce, step, 0, stop
                )
            except (WatchfilesRustInternalError, OSError) as error:
                await self._failed(error)
                stop.set()
                self._moved.set()
                self.kick()
                return
            if isinstance(changes, set):
                self._failing = False
                self._moved.set()
                self.kick()

    async def _failed(self, error: Exception) -> None:
        """
        Let some time pass before the next attempt.

        It fails again as long as there are names that are not UTF-8: reading them is an event.
        """
        if not self._failing:
            _log.warning("watching files failed and starts anew after a while: %s", error)
        self._failing = True
        await asyncio.sleep(self._polling_interval)

    async def _until_moved(self, armed: Targets, *, stop: threading.Event) -> None:
        while not stop.is_set():
            await _wait(self._moved, self._interval)
            self._moved.clear()
            if await asyncio.to_thread(targets, self._root, self._also) != armed:
                stop.set()

    def _recovered(self) -> None:
        if self.polling:
            _log.warning("files are watched by inotify again")
        self.polling = False
        self.armed.set()
        self.kick()  # what changed before the watch stood was not seen

    async def _degraded(self, error: Exception) -> None:
        if not self.polling:
            _log.warning(
                "no inotify, so files are read every %g s: %s; raise the sysctls "
                "fs.inotify.max_user_instances and fs.inotify.max_user_watches",
                self._polling_interval,
                error,
            )
        self.polling = True
        self.kick()
        await _wait(self._moved, self._polling_interval)


def _arm(found: Targets) -> list[RustNotify]:
    """Start to watch; blocking. Raises WatchfilesRustInternalError or OSError."""
    debug, force_polling, ignore_denied = False, False, True
    return [
        RustNotify(
            [one.path for one in sorted(group)], debug, force_polling, 0, recursive, ignore_denied
        )
        for group, recursive in ((found.near, False), (found.trees, True))
        if group
    ]


def _follow(path: Path) -> tuple[set[Path], Path | None]:
    """Walk *path* link by link; returns the directories to watch beside, and its end if any."""
    beside: set[Path] = set()
    try:
        return beside, _end(path, beside)
    except OSError:  # it is too long, or not for us
        return beside, None


def _end(path: Path, beside: set[Path]) -> Path | None:
    """Return the directory that *path* leads to; what to watch on the way is added to *beside*."""
    parts = list(Path(os.path.abspath(path)).parts)  # noqa: PTH100 - resolve() would follow links
    current, links = Path(parts.pop(0)), 0
    while parts:
        part = parts.pop(0)
        candidate = current.parent if part == ".." else current / part
        if candidate.is_symlink() and links < _MAX_LINKS:
            links += 1
            beside.add(current)
            target = candidate.readlink()
            parts = [*(target.parts[1:] if target.is_absolute() else target.parts), *parts]
            current = Path(target.anchor) if target.is_absolute() else current
        elif candidate.is_dir():
            if not parts:
                beside.add(candidate.parent)
            current = candidate
        else:
            beside.add(current)
            return None
    return current


def _watched(path: Path) -> Watched | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Watched(str(path), status.st_dev, status.st_ino)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for *event*, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
