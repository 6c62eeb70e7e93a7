"""
How the catalogue, statuses and metadata look as JSON; the OpenAPI document describes the same.

Pure functions from values to plain dictionaries; members that are unknown are null, never absent.
Leaves out the bodies that pass through untouched: inputs and outputs of Skills.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from daemon.catalogue import Catalogue, NamespaceTools, Served, ServedChat, ServedSkill
from daemon.csi.interface import Tool
from daemon.csi.mcp.status import ServerStatus, shown
from daemon.invoke import Described
from daemon.names import Namespace, SkillPath
from daemon.namespaces.status import (
    Condition,
    ConditionType,
    HistoryEntry,
    NamespaceStatus,
    Problem,
    SkillStatus,
    condition,
)
from daemon.skill import Failure

JsonObject = dict[str, Any]

# Names are kinds of str of their own, which msgspec takes for unknown objects.
_encode = msgspec.json.Encoder(enc_hook=str.__str__).encode


def json(data: object) -> web.Response:
    """A response with *data* as compact JSON."""
    return web.Response(body=_encode(data), content_type="application/json")


def metadata(described: Described) -> JsonObject:
    """The five members that are always present."""
    return {
        "description": described.description,
        "version": described.version,
        "skill_type": described.skill_type,
        "input_schema": described.input_schema,
        "output_schema": described.output_schema,
    }


def skills(catalogue: Catalogue) -> dict[SkillPath, str]:
    """All configured Skills, served or not yet, as `chat` or `programmable`."""
    wanted = {
        SkillPath(status.name, skill.name): _type(None, skill)
        for status in catalogue.statuses.values()
        for skill in status.skills.values()
    }
    return wanted | {path: _type(skill) for path, skill in catalogue.served.items()}


def _type(served: Served | None, status: SkillStatus | None = None) -> str:
    """Only chat Skills are wanted without a tag."""
    waits = served is None and status is not None and status.wanted_tag is None
    return "chat" if waits or isinstance(served, ServedChat) else "programmable"


def catalogue_entries(catalogue: Catalogue) -> list[JsonObject]:
    """All that is wanted or served, sorted by path."""
    served = catalogue.served
    statuses = {
        SkillPath(status.name, skill.name): skill
        for status in catalogue.statuses.values()
        for skill in status.skills.values()
    }
    paths = sorted({*served, *statuses})
    return [_entry(path, served.get(path), statuses.get(path)) for path in paths]


def _entry(path: SkillPath, served: Served | None, status: SkillStatus | None) -> JsonObject:
    return {
        "namespace": str(path.namespace),
        "name": str(path.name),
        "type": _type(served, status),
        "status": _state(status) if status else ConditionType.READY.value,
        "message": _message(status),
        **_answering(served),
    }


def _state(status: SkillStatus) -> str:
    """The condition that holds: Ready, else Stalled, else Reconciling."""
    for kind in (ConditionType.READY, ConditionType.STALLED):
        found = condition(status.conditions, kind)
        if found is not None and found.status == "True":
            return kind.value
    return ConditionType.RECONCILING.value


def _message(status: SkillStatus | None) -> str | None:
    if status is None:
        return None
    if status.error is not None:
        return status.error.message
    ready = condition(status.conditions, ConditionType.READY)
    return ready.message if ready else None


def _answering(served: Served | None) -> JsonObject:
    """What answers now; all null where nothing does."""
    match served:
        case ServedSkill():
            return _wasm(served)
        case ServedChat():
            chat = served.spec
            return _facts(kind=served.kind, version=chat.version, revision=served.revision) | {
                "description": "A chat skill",
                "since": served.since,
            }
    return _facts(kind=None, version=None, revision=None)


def _facts(*, kind: str | None, version: str | None, revision: str | None) -> JsonObject:
    return {
        "kind": kind and str(kind),
        "description": None,
        "input_schema": None,
        "output_schema": None,
        "version": version,
        "world": None,
        "tag": None,
        "digest": None,
        "variant": None,
        "revision": revision,
        "since": None,
        "metadata_error": None,
    }


def _wasm(served: ServedSkill) -> JsonObject:
    world, told = served.artifact.world, served.description.metadata
    return _facts(kind=served.kind, version=world.line, revision=served.revision) | {
        "description": told.description if told else None,
        "input_schema": told.input_schema if told else None,
        "output_schema": told.output_schema if told else None,
        "world": world.value,
        "tag": str(served.spec.tag),
        "digest": str(served.digest),
        "variant": served.artifact.variant,
        "since": served.since,
        "metadata_error": _failure(served.description.failure),
    }


def namespaces(statuses: Mapping[Namespace, NamespaceStatus]) -> list[JsonObject]:
    """All namespaces, sorted, without their history."""
    return [_summary(statuses[name]) for name in sorted(statuses)]


def namespace(status: NamespaceStatus, servers: Iterable[ServerStatus] = ()) -> JsonObject:
    """All that is known of one namespace, with its MCP *servers* in the order of their rank."""
    return _summary(status) | {
        "mcp_servers": [asdict(one) | {"url": shown(one.url)} for one in servers],
        "history": [_change(one) for one in status.history],
    }


def _summary(status: NamespaceStatus) -> JsonObject:
    return {
        "name": str(status.name),
        "source": status.source,
        "owner": status.owner,
        "observed_revision": status.observed_revision,
        "applied_revision": status.applied_revision,
        "conditions": _conditions(status.conditions),
        "problems": [_problem(one) for one in status.problems],
        "skills": [_skill(one) for one in status.skills.values()],
    }


def _conditions(conditions: Iterable[Condition]) -> list[JsonObject]:
    return [
        {
            "type": one.type.value,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "last_transition_time": one.since,
        }
        for one in conditions
    ]


def _problem(problem: Problem) -> JsonObject:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "message": problem.message,
        "suggestion": problem.suggestion,
        "skill": problem.entry and str(problem.entry),
    }


def _skill(skill: SkillStatus) -> JsonObject:
    return {
        "name": str(skill.name),
        "kind": skill.kind and skill.kind.value,
        "wanted_tag": skill.wanted_tag,
        "wanted_digest": skill.wanted_digest and str(skill.wanted_digest),
        "served_tag": skill.served_tag,
        "served_digest": skill.served_digest and str(skill.served_digest),
        "world": skill.world,
        "variant": skill.variant,
        "conditions": _conditions(skill.conditions),
        "error": _failure(skill.error),
        "next_attempt": skill.next_attempt,
    }


def _failure(failure: Failure | None) -> JsonObject | None:
    return {"code": failure.kind, "message": failure.message} if failure else None


def _change(entry: HistoryEntry) -> JsonObject:
    return {
        "time": entry.time,
        "revision": entry.revision,
        "action": entry.action,
        "skill": str(entry.skill),
        "detail": entry.detail,
    }


def tools(found: Iterable[Tool]) -> list[JsonObject]:
    """Sorted by name; schemas pass through as they are."""
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": msgspec.Raw(tool.input_schema),
        }
        for tool in sorted(found, key=lambda tool: tool.name)
    ]


def mcp_servers(enabled: NamespaceTools) -> list[str]:
    """The URLs of a namespace's MCP servers, sorted."""
    return sorted(enabled.mcp_servers)
