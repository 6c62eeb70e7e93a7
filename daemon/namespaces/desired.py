"""
What is wanted: one wish per namespace, all of them merged into one map. Pure.

A wish is a namespace's config with everything filled in: registries, and for entries that are
held back what was wanted before. Leaves out where configs come from (`reconcile/loader`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from daemon.names import Namespace, SkillName, SkillPath
from daemon.namespaces.config import ChatEntry, Entry, NamespaceConfig, SkillEntry
from daemon.namespaces.status import Problem
from daemon.skill import AnySpec, ChatSpec, RegistryRef, SkillSpec

Skills = Mapping[SkillPath, AnySpec]


@dataclass(frozen=True, slots=True)
class Wish:
    """What one namespace wants now."""

    namespace: Namespace
    skills: tuple[AnySpec, ...] = ()
    native_tools: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What a config leaves open.

    `registry`: where Skills come from unless the config says so; `base`: what relative paths are
    relative to, None where there is no such place; `previous`: the wish so far.
    """

    file: str
    registry: RegistryRef | None = None
    base: Path | None = None
    previous: Wish | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """All wishes as one; `clashes` are team namespaces that an operator's took the place of."""

    skills: Skills = field(default_factory=lambda: MappingProxyType({}))
    wishes: Mapping[Namespace, Wish] = field(default_factory=lambda: MappingProxyType({}))
    clashes: tuple[Namespace, ...] = ()


def wish(
    namespace: Namespace, config: NamespaceConfig, around: Surroundings
) -> tuple[Wish, tuple[Problem, ...]]:
    """
    Fill in what *config* leaves open.

    An entry that can't be used keeps its earlier version: a typo withdraws nothing.
    """
    registry, problem = _registry(config, around)
    entries = [one for one in config.skills if registry or isinstance(one, ChatEntry)]
    made = {one.name: _spec(namespace, one, registry=registry) for one in entries}
    unusable = config.held | {one.name for one in config.skills if one.name not in made}
    for spec in around.previous.skills if around.previous else ():
        if spec.path.name not in made and (spec.path.name in unusable or config.unnamed):
            made[spec.path.name] = spec
    result = Wish(namespace, _sorted(made), config.native_tools, config.mcp_servers)
    return result, (problem,) if problem else ()


def merge(team: Mapping[Namespace, Wish], operator: Mapping[Namespace, Wish]) -> Desired:
    """Lay all wishes side by side; where both sides name a namespace, the operator's wins."""
    wishes = {**team, **operator}
    skills = {spec.path: spec for one in wishes.values() for spec in one.skills}
    return Desired(
        MappingProxyType(skills),
        MappingProxyType(wishes),
        tuple(sorted(team.keys() & operator.keys())),
    )


def _registry(
    config: NamespaceConfig, around: Surroundings
) -> tuple[RegistryRef | None, Problem | None]:
    registry = config.registry or around.registry
    if not any(isinstance(one, SkillEntry) for one in config.skills):
        return registry, None
    if registry is None:
        text = (
            "no registry: name one with [registry], or let the operator set a default with REGISTRY"
        )
        return None, Problem(around.file, None, None, "registry", text)
    if registry.directory is None or registry.directory.is_absolute():
        return registry, None
    if around.base is None:
        text = "a relative path needs a file to be relative to: write an absolute one"
        return None, Problem(around.file, None, None, "registry.path", text)
    return replace(registry, directory=around.base / registry.directory), None


def _spec(namespace: Namespace, entry: Entry, *, registry: RegistryRef | None) -> AnySpec:
    path = SkillPath(namespace, entry.name)
    if isinstance(entry, ChatEntry):
        return ChatSpec(path, entry.version, entry.model, entry.system_prompt)
    assert registry is not None, "entries without a registry are held back"
    return SkillSpec(
        path,
        registry,
        tag=entry.tag,
        digest=entry.digest,
        memory=entry.memory,
        timeout=entry.timeout,
        concurrency=entry.concurrency,
    )


def _sorted(specs: Mapping[SkillName, AnySpec]) -> tuple[AnySpec, ...]:
    return tuple(specs[name] for name in sorted(specs))
