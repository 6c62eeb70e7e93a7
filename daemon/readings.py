"""
What is read from its owner whenever metrics are scraped, so that nobody has to keep it in step.

Leaves out what is counted as it happens (`wiring`, `observability/metrics`).
"""

from collections.abc import Callable, Iterable, Mapping

from daemon import __version__
from daemon.build_cache.store import Store
from daemon.catalogue import Catalogue, ServedSkill
from daemon.csi.mcp.servers import McpServers
from daemon.csi.mcp.status import ServerStatus, Tally
from daemon.namespaces.status import ConditionType, NamespaceStatus, condition
from daemon.observability.metrics import Reading
from daemon.reconcile.watcher import Watcher
from daemon.workers.report import Stats
from daemon.workers.supervisor import Supervisor


def readings(
    *,
    supervisor: Supervisor,
    store: Store,
    catalogue: Catalogue,
    watcher: Watcher,
    mcp: McpServers,
) -> Iterable[Reading]:
    """Name all that is read; each from one owner."""
    return (
        Reading("skilld_build_info", "Always 1.", lambda: {__version__: 1}, "version"),
        *_of_catalogue(catalogue),
        *_of_calls(supervisor),
        *_of_workers(supervisor),
        _single(
            "skilld_cache_bytes",
            "Size of the build cache.",
            lambda: sum(entry.size for entry in store.entries()),
        ),
        _single(
            "skilld_watch_polling",
            "1 while inotify is exhausted and files are polled.",
            lambda: float(watcher.polling),
        ),
        *_of_mcp(mcp),
    )


def _single(
    name: str, meaning: str, read: Callable[[], float], *, counter: bool = False
) -> Reading:
    """One series without a label."""
    return Reading(name, meaning, lambda: {"": read()}, counter=counter)


def _of_catalogue(catalogue: Catalogue) -> Iterable[Reading]:
    def cached() -> float:
        return sum(isinstance(one, ServedSkill) for one in catalogue.served.values())

    def ready() -> Mapping[str, float]:
        return {name: _is_ready(status) for name, status in catalogue.statuses.items()}

    yield _single("kernel_skill_cache_items", "Skills ready to be called.", cached)
    yield Reading(
        "skilld_namespace_ready", "1 while all that it wants is served.", ready, "namespace"
    )


def _is_ready(status: NamespaceStatus) -> float:
    found = condition(status.conditions, ConditionType.READY)
    return float(found is not None and found.status == "True")


def _of_calls(supervisor: Supervisor) -> Iterable[Reading]:
    def calls() -> Mapping[str, float]:
        stats = supervisor.stats
        return {"running": stats.running, "queued": stats.queued, "waiting": stats.waiting}

    def single(
        name: str, meaning: str, read: Callable[[Stats], float], *, counter: bool = False
    ) -> Reading:
        return _single(name, meaning, lambda: read(supervisor.stats), counter=counter)

    yield Reading("skilld_calls", "Calls in flight, by what they do.", calls, "state")
    yield single(
        "skilld_guest_cpu_seconds", "CPU time of guests.", lambda s: s.cpu_seconds, counter=True
    )
    yield single(
        "skilld_warm_calls", "Calls served by a warm instance.", lambda s: s.warm, counter=True
    )
    yield single("skilld_zombies", "Guests that sleep beyond their call.", lambda s: s.zombies)


def _of_workers(supervisor: Supervisor) -> Iterable[Reading]:
    def workers() -> Mapping[str, float]:
        stats = supervisor.stats
        return {"up": stats.workers_up, "wanted": stats.workers_wanted}

    yield Reading("skilld_workers", "Worker processes.", workers, "state")
    yield Reading(
        "skilld_worker_restarts",
        "Workers replaced, by reason.",
        lambda: supervisor.stats.restarts,
        "reason",
        counter=True,
    )
    yield _single(
        "skilld_worker_resident_bytes",
        "Private memory of all workers.",
        lambda: supervisor.stats.resident,
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
