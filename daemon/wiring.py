"""
From settings to the options of each package, and small adapters between packages.

What `app` would otherwise spell out between building one object and the next. Leaves out building
the objects and their order.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon import __version__
from daemon.build_cache.store import Store
from daemon.catalogue import Catalogue, ServedSkill
from daemon.csi.mcp.servers import McpServers
from daemon.csi.mcp.status import ServerStatus, Tally
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.namespaces.operator import Operators, logins, parse_operators
from daemon.namespaces.status import ConditionType, NamespaceStatus, condition
from daemon.observability.metrics import Metrics, Reading
from daemon.reconcile.attempt import Event
from daemon.reconcile.watcher import Watcher
from daemon.registries.options import RegistryOptions
from daemon.secret import Secret
from daemon.settings import parse, tables
from daemon.settings.model import Settings
from daemon.skill import RegistryRef
from daemon.workers.report import Finished
from daemon.workers.supervisor import Supervisor

_REGISTRY_KEYS = frozenset({"user", "password", "password-file", "ca", "plain-http"})


def default_registry(settings: Settings) -> RegistryRef | None:
    """Where the Skills of namespaces that name no registry come from."""
    if settings.registry is None:
        return None
    return RegistryRef(host=settings.registry, repository=settings.base_repository.strip("/"))


def docker_config(settings: Settings) -> Path | None:
    """Docker's config.json: as set, or where docker keeps it; None where there is none."""
    # `Path.expanduser` fails for users without a home, such as those of many containers.
    path = settings.docker_config or Path(os.path.expanduser("~/.docker"))  # noqa: PTH111
    if path.is_dir():  # what docker itself means by DOCKER_CONFIG
        path /= "config.json"
    return path if settings.docker_config or path.is_file() else None


def operators(settings: Settings) -> Operators:
    """Return the operator's namespaces. Raises DaemonError with all that is wrong with them."""
    found, problems = parse_operators(settings.namespaces)
    if problems:
        raise DaemonError(ErrorKind.CONFIGURATION, "\n".join(map(str, problems)))
    return found


def registry_options(settings: Settings, namespaces: Operators) -> tuple[RegistryOptions, ...]:
    """Return what the settings say about registries: the default, per host, per namespace."""
    options = [_of_host(host, table) for host, table in settings.registries.items()]
    if settings.registry is not None:
        user = settings.registry_user or ""
        _check_pair(user, settings.registry_password, "REGISTRY_USER", "REGISTRY_PASSWORD")
        options.append(
            RegistryOptions(
                settings.registry,
                user=user,
                password=settings.registry_password,
                ca=settings.registry_ca,
                plain_http=settings.registry_plain_http,
                source="REGISTRY_USER and REGISTRY_PASSWORD",
            )
        )
    options += [
        RegistryOptions(
            login.registry.host,
            repository=login.registry.repository,
            user=login.user,
            password=login.password,
            source="the namespace's registry-user and registry-password",
        )
        for login in logins(namespaces)
    ]
    return tuple(options)


def _of_host(host: str, table: Any) -> RegistryOptions:
    at = f'registries."{host}"'
    entries = tables.checked(table, _REGISTRY_KEYS, at=at)
    user = tables.value(entries, "user", parse.text, at=at)
    password = tables.secret(entries, "password", at=at)
    _check_pair(user, password, f"{at}: user", f"{at}: password")
    return RegistryOptions(
        host,
        user=user,
        password=password,
        ca=tables.value(entries, "ca", parse.optional_path, at=at),
        plain_http=tables.value(entries, "plain-http", parse.boolean, at=at),
        source=at,
    )


def _check_pair(user: str, password: Secret, called: str, password_called: str) -> None:
    """Refuse a user who would send an empty password, and a password that would not be sent."""
    if bool(user) != bool(password):
        there, missing = (called, password_called) if user else (password_called, called)
        raise tables.wrong(f"{there} is set, {missing} is not: they go together")


@dataclass(frozen=True, slots=True)
class Built:
    """Which Skills are pulled and compiled, for `/cached_skills`."""

    catalogue: Catalogue
    rebuild: Callable[[SkillPath], bool]

    def paths(self) -> Sequence[SkillPath]:
        """All WebAssembly Skills that are served: each is on disk, compiled."""
        served = self.catalogue.served.items()
        return [path for path, skill in served if isinstance(skill, ServedSkill)]

    async def discard(self, path: SkillPath) -> bool:
        """Build a Skill anew; the present build answers until then."""
        return self.rebuild(path)


def observer(metrics: Metrics) -> Callable[[Event], None]:
    """Return what counts the changes that reconciling makes."""

    def observe(event: Event) -> None:
        namespace, name = event.path.namespace, event.path.name
        metrics.changes.labels(namespace, event.action).inc()
        if event.action == "retired":
            metrics.forget_skill(namespace, name)
        for step, seconds in event.phases.items():
            if step == "total":
                metrics.fetch_duration.labels(namespace, name).observe(seconds)
            else:
                metrics.install_steps.labels(step).observe(seconds)

    return observe


def counter(metrics: Metrics, catalogue: Catalogue) -> Callable[[Finished], None]:
    """Return what counts finished calls; of Skills that are gone by then, nothing is kept."""

    def count(call: Finished) -> None:
        if call.path in catalogue.served or call.path.namespace == "test-beta":
            code = call.error.value if call.error else "ok"
            metrics.executed(call.path.namespace, call.path.name, code, seconds=call.wall)

    return count


class Heat:
    """How often each Skill was called since the start: hot ones are compiled whole first."""

    def __init__(self) -> None:
        self._calls: Counter[SkillPath] = Counter()

    def note(self, call: Finished) -> None:
        """One more call."""
        self._calls[call.path] += 1

    def of(self, path: SkillPath) -> float:
        """Calls so far."""
        return self._calls[path]


def readings(
    *,
    supervisor: Supervisor,
    store: Store,
    catalogue: Catalogue,
    watcher: Watcher,
    mcp: McpServers,
) -> Iterable[Reading]:
    """Name the gauges that are read when metrics are scraped."""

    def calls() -> Mapping[str, float]:
        stats = supervisor.stats
        return {"running": stats.running, "queued": stats.queued, "waiting": stats.waiting}

    def workers() -> Mapping[str, float]:
        stats = supervisor.stats
        return {"up": stats.workers_up, "wanted": stats.workers_wanted}

    def cached() -> Mapping[str, float]:
        return {"": sum(isinstance(one, ServedSkill) for one in catalogue.served.values())}

    def single(read: Callable[[], float]) -> Callable[[], Mapping[str, float]]:
        return lambda: {"": read()}

    def ready() -> Mapping[str, float]:
        return {name: _is_ready(status) for name, status in catalogue.statuses.items()}

    return (
        Reading("skilld_build_info", "Always 1.", lambda: {__version__: 1}, "version"),
        Reading("kernel_skill_cache_items", "Skills ready to be called.", cached),
        Reading(
            "skilld_namespace_ready", "1 while all that it wants is served.", ready, "namespace"
        ),
        Reading("skilld_calls", "Calls in flight, by what they do.", calls, "state"),
        Reading("skilld_workers", "Worker processes.", workers, "state"),
        Reading(
            "skilld_worker_restarts",
            "Workers replaced, by reason.",
            lambda: supervisor.stats.restarts,
            "reason",
            counter=True,
        ),
        Reading(
            "skilld_zombies",
            "Guests that sleep beyond their call.",
            single(lambda: supervisor.stats.zombies),
        ),
        Reading(
            "skilld_worker_resident_bytes",
            "Private memory of all workers.",
            single(lambda: supervisor.stats.resident),
        ),
        Reading(
            "skilld_guest_cpu_seconds",
            "CPU time of guests.",
            single(lambda: supervisor.stats.cpu_seconds),
            counter=True,
        ),
        Reading(
            "skilld_warm_calls",
            "Calls served by a warm instance.",
            single(lambda: supervisor.stats.warm),
            counter=True,
        ),
        Reading(
            "skilld_cache_bytes",
            "Size of the build cache.",
            single(lambda: sum(entry.size for entry in store.entries())),
        ),
        Reading(
            "skilld_watch_polling",
            "1 while inotify is exhausted and files are polled.",
            single(lambda: float(watcher.polling)),
        ),
        *_of_mcp(mcp),
    )


def _of_mcp(mcp: McpServers) -> Iterable[Reading]:
    """Series by server: those that namespaces name now, without what may be secret in a URL."""

    def each(
        name: str,
        meaning: str,
        read: Callable[[ServerStatus, Tally], float],
        *,
        gauge: bool = False,
    ) -> Reading:
        def read_all() -> Mapping[str, float]:
            found: dict[str, float] = {}
            for status, tally in mcp.known():  # several namespaces may name one
                found[status.url] = found.get(status.url, 0) + read(status, tally)
            return found

        return Reading(f"skilld_mcp_{name}", meaning, read_all, "server", not gauge)

    yield each("ready", "Sessions with an MCP server.", lambda s, _: s.state == "ready", gauge=True)
    yield each("tools", "Tools that the server listed last.", lambda s, _: len(s.tools), gauge=True)
    yield each("listings", "Listings of tools that succeeded.", lambda _, t: t.listings)
    yield each("failures", "Handshakes and listings of tools that failed.", lambda _, t: t.failures)
    yield each("calls", "Tool calls that ended.", lambda _, t: t.calls)
    yield each("calls_unanswered", "Those that could not be executed.", lambda _, t: t.unanswered)
    yield each("call_seconds", "Time of all tool calls.", lambda _, t: t.seconds)


def _is_ready(status: NamespaceStatus) -> float:
    found = condition(status.conditions, ConditionType.READY)
    return float(found is not None and found.status == "True")
