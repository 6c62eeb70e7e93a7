"""
What the command line does besides serving: publish a component, look after the cache.

Leaves out arguments and exit on error (`cli`). Each returns an exit status.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Column, Table

from daemon.build_cache.store import Store
from daemon.errors import DaemonError, ErrorKind
from daemon.names import InvalidNameError
from daemon.reconcile.install import owner
from daemon.reconcile.state import read_served
from daemon.registries.options import RegistryOptions
from daemon.registries.publish import publish as push
from daemon.registries.reference import Reference
from daemon.registries.registries import Registries
from daemon.secret import Secret
from daemon.settings.model import Settings
from daemon.wiring import docker_config, operators, registry_options

_OUT = Console()
_ERR = Console(stderr=True)


async def publish(  # noqa: PLR0913 - one per option
    settings: Settings,
    file: Path,
    reference: str,
    *,
    user: str | None,
    password: str | None,
    plain_http: bool,
    ca: Path | None,
    force: bool,
) -> int:
    """
    Push *file*; print its digest on standard output, progress on standard error.

    *user* and *password*, if given, are sent to this registry, whatever the settings say.
    """
    try:
        place = Reference.parse(reference)
    except InvalidNameError as error:
        raise DaemonError(ErrorKind.CONFIGURATION, str(error)) from error
    given = RegistryOptions(
        place.host,
        repository=place.repository,  # none is closer, and the first of equals wins
        user=user or "",
        password=Secret(password or ""),
        ca=ca,
        plain_http=plain_http,
        source="the options",
    )
    options = (given, *registry_options(settings, operators(settings)))
    async with Registries(options=options, docker_config=docker_config(settings)) as registries:
        client = registries.client(place.host)
        with _bar(f"publishing {file.name}") as progress:
            digest = await push(client, file, place, force=force, progress=progress)
    _ERR.print(
        f'published {place}; pin it with digest = "{digest}"', highlight=False, soft_wrap=True
    )
    _OUT.print(digest, highlight=False, soft_wrap=True)
    return 0


class _bar:  # noqa: N801 - reads as a statement
    """A progress bar on standard error; nothing where that is no terminal."""

    def __init__(self, title: str) -> None:
        columns = (TextColumn(title), BarColumn(), DownloadColumn())
        self._progress = Progress(*columns, console=_ERR, transient=True)
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Callable[[int, int], None]:
        self._progress.start()
        return lambda done, total: self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


async def cache_list(settings: Settings) -> int:
    """Print every file of the cache, largest first, and the sum."""
    async with _opened(settings) as store:
        entries = await asyncio.to_thread(store.entries)
    # Names are long: on a narrow terminal they continue below instead of losing their end.
    table = Table(Column("file", overflow="fold"), "size", "last used", "")
    for entry in sorted(entries, key=lambda one: one.size, reverse=True):
        used = datetime.fromtimestamp(entry.used, UTC).isoformat(sep=" ", timespec="seconds")
        table.add_row(entry.name, decimal(entry.size), used, "in use" if entry.pinned else "")
    _OUT.print(table)
    total = sum(entry.size for entry in entries)
    _OUT.print(
        f"{len(entries)} files, {decimal(total)} of {decimal(settings.skill_build_cache_size)}"
    )
    return 0


async def cache_verify(settings: Settings) -> int:
    """Check every file; the damaged ones are set aside and named. 1 if there were any."""
    async with _opened(settings) as store:
        damaged = await asyncio.to_thread(store.verify)
    for name in damaged:
        _OUT.print(f"damaged: {name}", highlight=False, soft_wrap=True)
    _ERR.print(f"{len(damaged)} damaged file(s); they are built anew when needed")
    return 1 if damaged else 0


async def cache_prune(settings: Settings, *, everything: bool) -> int:
    """Delete what is not in use, and, unless *everything*, was not last served either."""
    async with _opened(settings) as store:
        if not everything:
            await asyncio.to_thread(_pin_served, store)
        before = await asyncio.to_thread(_size, store)
        deleted = await asyncio.to_thread(store.prune)
        after = await asyncio.to_thread(_size, store)
    _ERR.print(f"deleted {len(deleted)} file(s), {decimal(before - after)}")
    return 0


def _pin_served(store: Store) -> None:
    """Keep what a restart would serve: the component and both variants of each Skill."""
    for record in read_served(store):
        if record.skill is None or record.digest is None:
            continue
        found = [store.artifact(record.digest, variant) for variant in ("split", "whole")]
        files = [path for artifact in found if artifact is not None for path in artifact.files]
        component = store.component(record.digest)
        store.pin(owner(record.skill.path, record.digest), [*files, *filter(None, [component])])


def _size(store: Store) -> int:
    return sum(entry.size for entry in store.entries())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[Store, None]:
    """The cache; what is pinned meanwhile, a daemon beside us does not evict either."""
    store = Store(settings.skill_build_cache, budget=settings.skill_build_cache_size)
    await asyncio.to_thread(store.open)
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)
