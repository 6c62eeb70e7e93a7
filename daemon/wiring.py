"""
From settings to the options of each package, and small adapters between packages.

What `app` would otherwise spell out between building one object and the next. Leaves out building
the objects and their order.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.api.ports import Options
from daemon.catalogue import Catalogue, ServedSkill
from daemon.csi.tools import TEST_NAMESPACE
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.namespaces.operator import Operators, logins, parse_operators
from daemon.observability.metrics import OK, Metrics
from daemon.reconcile.attempt import Event
from daemon.registries.options import RegistryOptions
from daemon.secret import Secret
from daemon.settings import parse, tables
from daemon.settings.model import Settings
from daemon.skill import Limits, RegistryRef
from daemon.workers.dispatch import Bounds
from daemon.workers.health import HealthPolicy
from daemon.workers.policy import FleetPolicy, SupervisorPolicy
from daemon.workers.report import Finished
from daemon.workers.shelf import WarmPolicy

_REGISTRY_KEYS = frozenset({"user", "password", "password-file", "ca", "plain-http"})


def skill_limits(settings: Settings) -> Limits:
    """What a call may take where its Skill's entry says nothing."""
    return Limits(
        memory=settings.skill_memory,
        timeout=settings.skill_timeout,
        output=settings.skill_output,
        concurrency=settings.skill_concurrency,
    )


def fleet_policy(settings: Settings) -> FleetPolicy:
    """How many workers there are, and when one is replaced."""
    return FleetPolicy(
        workers=settings.workers,
        describe_memory=settings.skill_memory,
        drain=settings.skill_timeout + 60.0,
        health=HealthPolicy(calls=settings.worker_recycle_calls, resident=settings.worker_memory),
    )


def supervisor_policy(settings: Settings) -> SupervisorPolicy:
    """How many calls there may be, and what is kept warm for them."""
    return SupervisorPolicy(
        bounds=Bounds(calls=settings.max_calls, queue=settings.queue_limit),
        queue_timeout=settings.queue_timeout,
        warm=WarmPolicy(instances=settings.warm_instances, memory=settings.warm_memory),
    )


def server_options(settings: Settings) -> Options:
    """Return what the API lets browsers and callers do."""
    return Options(
        cors_origins=settings.cors_origins,
        body_memory=settings.body_memory,
        csi_tools=settings.csi_tools,
    )


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


class Heat:
    """How often each served Skill was called: hot ones are compiled whole first. Owned by `app`."""

    def __init__(self) -> None:
        self._calls: Counter[SkillPath] = Counter()

    def note(self, call: Finished) -> None:
        """One more call."""
        self._calls[call.path] += 1

    def of(self, path: SkillPath) -> float:
        """Calls so far."""
        return self._calls[path]

    def forget(self, path: SkillPath) -> None:
        """It is gone."""
        self._calls.pop(path, None)


def observer(metrics: Metrics, catalogue: Catalogue, heat: Heat) -> Callable[[Event], None]:
    """Return what counts the changes that reconciling makes, and forgets what is gone."""

    def observe(event: Event) -> None:
        namespace, name = event.path.namespace, event.path.name
        # Looking for what is gone walks all series, so only new ones and ends are the occasion. A
        # namespace has a status before its first event, and none when its last Skill is retired.
        if metrics.changed(namespace, event.action) or namespace not in catalogue.statuses:
            metrics.keep_namespaces(catalogue.statuses.keys())
        if event.action == "retired":
            metrics.forget_skill(namespace, name)
            heat.forget(event.path)
        for step, seconds in event.phases.items():
            if step == "total":
                metrics.fetch_duration.labels(namespace, name).observe(seconds)
            else:
                metrics.install_steps.labels(step).observe(seconds)

    return observe


def counter(metrics: Metrics, catalogue: Catalogue, heat: Heat) -> Callable[[Finished], None]:
    """Return what counts finished calls; of Skills that are gone by then, nothing is kept."""

    def count(call: Finished) -> None:
        path = call.path
        served = path in catalogue.served
        if served:
            heat.note(call)
        if served or path.namespace == TEST_NAMESPACE:
            metrics.executed(path.namespace, path.name, call.error or OK, seconds=call.wall)

    return count
