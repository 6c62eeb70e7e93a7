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
from daemon.api.ports import Authorizer, Options, Services
from daemon.api.server import Server
from daemon.backends import backends
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
from daemon.skill import Limits
from daemon.tasks import Tasks
from daemon.wiring import (
    Built,
    Heat,
    counter,
    default_registry,
    docker_config,
    observer,
    operators,
    registry_options,
)
from daemon.workers.dispatch import Bounds
from daemon.workers.health import HealthPolicy
from daemon.workers.policy import FleetPolicy, SupervisorPolicy
from daemon.workers.report import Finished
from daemon.workers.shelf import WarmPolicy
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
    """What runs once all is built."""

    server: Server
    reconciler: Reconciler
    watcher: Watcher
    precompiler: Precompiler

    def reload(self) -> None:
        """Rescan now, and ask registries and remote files now."""
        self.reconciler.look_again()
        self.watcher.kick()


async def _build(settings: Settings, stack: AsyncExitStack, end: End) -> _Parts:
    metrics, catalogue, heat = Metrics(), Catalogue(), Heat()
    count = counter(metrics, catalogue, heat)
    trace = _tracing(settings, stack)
    found = await stack.enter_async_context(
        backends(settings, catalogue, metrics=metrics, tracing=trace)
    )
    drivers = found.drivers
    supervisor = await stack.enter_async_context(
        _workers(settings, drivers, finished=count, on_fatal=end.fail)
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
    watcher = Watcher(settings.namespaces_root, interval=settings.namespace_update_interval)
    reconciler = await _reconciler(
        settings,
        stack,
        shared=_Shared(catalogue, store, precompiler, supervisor, watcher, metrics, heat),
    )
    metrics.watch(
        readings(
            supervisor=supervisor,
            store=store,
            catalogue=catalogue,
            watcher=watcher,
            mcp=found.mcp,
        )
    )
    skills = Skills(
        catalogue=catalogue,
        executor=supervisor,
        drivers=drivers,
        schemas=InputSchemas() if settings.validate_input else None,
        chat_timeout=settings.skill_timeout,
        finished=count,
    )
    authorizer = await stack.enter_async_context(_authorizer(settings))
    services = Services(
        skills=skills,
        catalogue=catalogue,
        csi=drivers,
        documents=found.documents,
        mcp_servers=found.mcp.status,
        tools=drivers.tools,
        built=Built(catalogue, reconciler.rebuild),
        authorizer=authorizer,
        reload=lambda: _Parts.reload(parts),
        ready=_readiness(catalogue, supervisor),
        builtin_namespaces=frozenset({TEST_NAMESPACE}),
        observe=lambda method, path, status, seconds: metrics.http_request(
            method, path, status, seconds=seconds
        ),
        failed=lambda kind: metrics.errors.labels(kind).inc(),
        tracing=trace,
    )
    server = Server(
        services,
        options=Options(
            cors_origins=settings.cors_origins,
            body_memory=settings.body_memory,
            csi_tools=settings.csi_tools,
        ),
        metrics=metrics.registry,
    )
    parts = _Parts(server, reconciler, watcher, precompiler)
    return parts


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the reconciler needs of the objects built before it."""

    catalogue: Catalogue
    store: Store
    precompiler: Precompiler
    supervisor: Supervisor
    watcher: Watcher
    metrics: Metrics
    heat: Heat


async def _reconciler(settings: Settings, stack: AsyncExitStack, *, shared: _Shared) -> Reconciler:
    namespaces = operators(settings)
    registries = Registries(
        options=registry_options(settings, namespaces),
        docker_config=docker_config(settings),
        patience=Patience(component_size=settings.component_size_limit),
    )
    stack.push_async_callback(registries.close)
    remotes = Remotes(interval=settings.namespace_update_interval, on_change=shared.watcher.kick)
    stack.push_async_callback(remotes.close)
    installer = Installer(
        exchanges=Exchanges(registries),
        store=shared.store,
        precompiler=shared.precompiler,
        workers=shared.supervisor,
        policy=settings.precompile,
        limits=Limits(
            memory=settings.skill_memory,
            timeout=settings.skill_timeout,
            output=settings.skill_output,
            concurrency=settings.skill_concurrency,
        ),
    )
    return Reconciler(
        loader=Loader(
            settings.namespaces_root,
            store=shared.store,
            operators=namespaces,
            registry=default_registry(settings),
            remotes=remotes,
            allow_empty=settings.allow_empty,
        ),
        installer=installer,
        catalogue=shared.catalogue,
        upgrades=Upgrades(
            installer=installer,
            precompiler=shared.precompiler,
            workers=shared.supervisor,
            heat=shared.heat.of,
        ),
        interval=settings.namespace_update_interval,
        observe=observer(shared.metrics, shared.catalogue, shared.heat),
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
        fleet=FleetPolicy(
            workers=settings.workers,
            describe_memory=settings.skill_memory,
            drain=settings.skill_timeout + 60.0,
            health=HealthPolicy(
                calls=settings.worker_recycle_calls, resident=settings.worker_memory
            ),
        ),
        policy=SupervisorPolicy(
            bounds=Bounds(calls=settings.max_calls, queue=settings.queue_limit),
            queue_timeout=settings.queue_timeout,
            warm=WarmPolicy(instances=settings.warm_instances, memory=settings.warm_memory),
        ),
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
        raise DaemonError(ErrorKind.CONFIGURATION, f"can't listen: {error.strerror}") from error
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
