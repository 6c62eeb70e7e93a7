"""
The composition root: builds every object of the parent process, downward, and unwinds them.

Order matters: what sends spans is built first and closed last; the API listens before the first
pass (and answers 503 until then), so that probes tell a slow start from a crash. Leaves out how
settings map to options (`wiring`), when it ends (`lifetime`), and all other behaviour.
"""

import asyncio
import gc
import logging
import resource
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import uvloop

from daemon import __version__
from daemon.api.auth import Anyone, Iam, Remember
from daemon.api.ports import Authorizer, Services
from daemon.api.server import Server
from daemon.backends import Backends, backends
from daemon.build_cache.child import Caps
from daemon.build_cache.precompiler import Precompiler
from daemon.build_cache.store import Store
from daemon.catalogue import Catalogue
from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.csi.tools import TEST_NAMESPACE
from daemon.errors import DaemonError, ErrorKind
from daemon.input_schema import InputSchemas
from daemon.invoke import Skills
from daemon.lifetime import End, answering
from daemon.names import SkillPath
from daemon.namespaces.operator import Operators
from daemon.observability import logs, tracing
from daemon.observability.metrics import Metrics
from daemon.privacy import keep_private
from daemon.readings import readings
from daemon.reconcile.exchanges import Exchanges
from daemon.reconcile.install import Installer
from daemon.reconcile.loader import Loader
from daemon.reconcile.loop import Reconciler
from daemon.reconcile.remote import Remotes
from daemon.reconcile.upgrade import Upgrades
from daemon.reconcile.watcher import Watcher
from daemon.registries.options import Patience
from daemon.registries.registries import Registries
from daemon.settings.model import Settings
from daemon.tasks import Tasks
from daemon.wiring import (
    Built,
    Heat,
    counter,
    default_registry,
    docker_config,
    fleet_policy,
    observer,
    operators,
    registry_options,
    server_options,
    skill_limits,
    supervisor_policy,
)
from daemon.workers.report import Finished
from daemon.workers.supervisor import Supervisor

_log = logging.getLogger(__name__)

_FILES = 65_536  # open files at most
_STEP_DOWN = 0.5  # seconds between "not ready" and "closed", for load balancers to notice


def run(settings: Settings) -> int:
    """Serve until a signal; return the exit status. Raises DaemonError when it can't start."""
    try:
        logs.configure(level=settings.log_level, form=settings.log_format)
    except ValueError as error:
        raise DaemonError(ErrorKind.CONFIGURATION, str(error)) from error
    keep_private()
    _raise_file_limit()
    return uvloop.run(serve(settings))


def _raise_file_limit() -> None:
    """Each waiting call may hold a connection of its caller and one to a backend."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(settings: Settings) -> int:
    """
    Build all, serve until SIGTERM or SIGINT or the failure of a vital task, unwind.

    Returns the exit status. A signal during the start ends it, and unwinds what there is by then.
    """
    end = End()
    with answering(end) as signals:
        async with AsyncExitStack() as stack:
            parts = await end.unless_before(_start(settings, stack, end))
            if parts is not None:
                signals.connect(reload=parts.reload, hurry=parts.server.hurry)
                await _live(settings, parts, end)
    return end.status


async def _start(settings: Settings, stack: AsyncExitStack, end: End) -> "_Parts":
    parts = await _build(settings, stack, end)
    await _listen(settings, parts.server)
    gc.freeze()  # what stands now stays: collections during a burst need not walk all of it
    return parts


async def _live(settings: Settings, parts: "_Parts", end: End) -> None:
    tasks = Tasks(on_fatal=end.fail)
    try:
        tasks.spawn(_reconcile(parts, tasks), name="reconcile", fatal=True)
        await end.wait()
        await _step_down(settings, parts.server)
    finally:
        await tasks.close()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What runs once all is built; `reload` has all looked at anew, now."""

    server: Server
    reconciler: Reconciler
    watcher: Watcher
    precompiler: Precompiler
    reload: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Base:
    """What the reconciler and the API both stand on."""

    settings: Settings
    metrics: Metrics
    catalogue: Catalogue
    heat: Heat
    count: Callable[[Finished], None]
    tracing: tracing.Tracing | None
    backends: Backends
    supervisor: Supervisor
    store: Store
    precompiler: Precompiler
    watcher: Watcher


async def _build(settings: Settings, stack: AsyncExitStack, end: End) -> _Parts:
    base = await _base(settings, stack, end)
    reconciler = _reconciler(base, stack)
    base.metrics.watch(
        readings(
            supervisor=base.supervisor,
            store=base.store,
            catalogue=base.catalogue,
            watcher=base.watcher,
            mcp=base.backends.mcp,
        )
    )

    def reload() -> None:
        reconciler.look_again()  # at registries and remote files too
        base.watcher.kick()

    authorizer = await stack.enter_async_context(_authorizer(settings))
    services = _services(base, authorizer, rebuild=reconciler.rebuild, reload=reload)
    server = Server(services, options=server_options(settings), metrics=base.metrics.registry)
    return _Parts(server, reconciler, base.watcher, base.precompiler, reload)


async def _base(settings: Settings, stack: AsyncExitStack, end: End) -> _Base:
    metrics, catalogue, heat = Metrics(), Catalogue(), Heat()
    count = counter(metrics, catalogue, heat)
    trace = _tracing(settings, stack)
    found = await stack.enter_async_context(
        backends(settings, catalogue, metrics=metrics, on_fatal=end.fail, tracing=trace)
    )
    supervisor = await stack.enter_async_context(
        _workers(settings, found.drivers, finished=count, on_fatal=end.fail)
    )
    store = Store(settings.skill_build_cache, budget=settings.skill_build_cache_size)
    await asyncio.to_thread(store.open)
    stack.callback(store.close)
    precompiler = Precompiler(
        store,
        caps=Caps(settings.compile_memory, wall=settings.compile_timeout),
        parallel=settings.compile_parallelism,
    )
    stack.push_async_callback(precompiler.close)
    return _Base(
        settings=settings,
        metrics=metrics,
        catalogue=catalogue,
        heat=heat,
        count=count,
        tracing=trace,
        backends=found,
        supervisor=supervisor,
        store=store,
        precompiler=precompiler,
        watcher=Watcher(settings.namespaces_root, interval=settings.namespace_update_interval),
    )


def _reconciler(base: _Base, stack: AsyncExitStack) -> Reconciler:
    settings, interval = base.settings, base.settings.namespace_update_interval
    namespaces = operators(settings)
    remotes = Remotes(interval=interval, on_change=base.watcher.kick)
    stack.push_async_callback(remotes.close)
    loader = Loader(
        settings.namespaces_root,
        store=base.store,
        operators=namespaces,
        registry=default_registry(settings),
        remotes=remotes,
        allow_empty=settings.allow_empty,
    )
    installer = _installer(base, stack, namespaces)
    upgrades = Upgrades(
        installer=installer,
        precompiler=base.precompiler,
        workers=base.supervisor,
        heat=base.heat.of,
    )
    return Reconciler(
        loader=loader,
        installer=installer,
        catalogue=base.catalogue,
        upgrades=upgrades,
        interval=interval,
        observe=observer(base.metrics, base.catalogue, base.heat),
    )


def _installer(base: _Base, stack: AsyncExitStack, namespaces: Operators) -> Installer:
    registries = Registries(
        options=registry_options(base.settings, namespaces),
        docker_config=docker_config(base.settings),
        patience=Patience(component_size=base.settings.component_size_limit),
    )
    stack.push_async_callback(registries.close)
    return Installer(
        exchanges=Exchanges(registries),
        store=base.store,
        precompiler=base.precompiler,
        workers=base.supervisor,
        policy=base.settings.precompile,
        limits=skill_limits(base.settings),
    )


def _services(
    base: _Base,
    authorizer: Authorizer,
    *,
    rebuild: Callable[[SkillPath], bool],
    reload: Callable[[], None],
) -> Services:
    drivers, metrics = base.backends.drivers, base.metrics
    skills = Skills(
        catalogue=base.catalogue,
        executor=base.supervisor,
        drivers=drivers,
        schemas=InputSchemas() if base.settings.validate_input else None,
        chat_timeout=base.settings.skill_timeout,
        finished=base.count,
    )
    return Services(
        skills=skills,
        catalogue=base.catalogue,
        csi=drivers,
        documents=base.backends.documents,
        mcp_servers=base.backends.mcp.status,
        tools=drivers.tools,
        built=Built(base.catalogue, rebuild),
        authorizer=authorizer,
        reload=reload,
        ready=_readiness(base.catalogue, base.supervisor),
        builtin_namespaces=frozenset({TEST_NAMESPACE}),
        observe=lambda method, path, status, seconds: metrics.http_request(
            method, path, status, seconds=seconds
        ),
        failed=lambda kind: metrics.errors.labels(kind).inc(),
        tracing=base.tracing,
    )


@asynccontextmanager
async def _workers(
    settings: Settings,
    drivers: csi.Drivers,
    *,
    finished: Callable[[Finished], None],
    on_fatal: Callable[[BaseException], None],
) -> AsyncGenerator[Supervisor, None]:
    supervisor = Supervisor(
        host=lambda caller, emit: DriverContext(drivers, caller, emit),
        on_fatal=on_fatal,
        fleet=fleet_policy(settings),
        policy=supervisor_policy(settings),
        finished=finished,
    )
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop(grace=1.0)  # calls had their grace with the server


@asynccontextmanager
async def _authorizer(settings: Settings) -> AsyncGenerator[Authorizer, None]:
    if settings.authorization_url is None:
        yield Anyone()
        return
    iam = Iam(
        settings.authorization_url,
        timeout=settings.authorization_timeout,
        remember=Remember(granted=settings.authorization_cache),
    )
    try:
        yield iam
    finally:
        await iam.close()


def _tracing(settings: Settings, stack: AsyncExitStack) -> tracing.Tracing | None:
    if settings.otel_endpoint is None:
        return None
    made = tracing.otlp(
        settings.otel_endpoint, version=__version__, ratio=settings.otel_sampling_ratio
    )
    stack.push_async_callback(asyncio.to_thread, made.close)
    return made


def _readiness(catalogue: Catalogue, supervisor: Supervisor) -> dict[str, Callable[[], str | None]]:
    def workers() -> str | None:
        return None if supervisor.stats.workers_up else "no worker is up"

    def namespaces() -> str | None:
        return None if catalogue.complete else "the first pass over the namespaces is under way"

    return {"workers": workers, "namespaces": namespaces}


async def _listen(settings: Settings, server: Server) -> None:
    try:
        bound = await server.start(api=settings.kernel_address, metrics=settings.metrics_address)
    except OSError as error:
        api, metrics = _url(settings.kernel_address), _url(settings.metrics_address)
        text = f"can't listen on KERNEL_ADDRESS ({api}) or METRICS_ADDRESS ({metrics})"
        raise DaemonError(ErrorKind.CONFIGURATION, f"{text}: {error.strerror}") from error
    _log.info("skilld %s listening on %s", __version__, _url(bound.api))
    if bound.metrics is not None:
        _log.info("metrics on %s/metrics", _url(bound.metrics))


def _url(address: tuple[str, int]) -> str:
    host, port = address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _reconcile(parts: _Parts, tasks: Tasks) -> None:
    await parts.reconciler.restore()
    tasks.spawn(parts.precompiler.warm_up(), name="start the spare compile child")
    async with aclosing(parts.watcher.ticks()) as ticks:
        await parts.reconciler.run(ticks, watch_also=parts.watcher.watch_also)


async def _step_down(settings: Settings, server: Server) -> None:
    """Turn readiness off, then let calls finish."""
    _log.info("stopping: calls may finish for %g s", settings.shutdown_timeout)
    server.unready()
    await asyncio.sleep(min(_STEP_DOWN, settings.shutdown_timeout / 10))
    await server.stop(grace=settings.shutdown_timeout)
