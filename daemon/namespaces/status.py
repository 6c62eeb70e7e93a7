"""
What an operator may know of a namespace and its Skills. Pure values, in Flux's words.

Leaves out who computes them (`reconcile`) and how they look as JSON (`api/schema`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from daemon.names import Digest, Namespace, SkillName
from daemon.skill import Failure, SkillKind


class ConditionType(StrEnum):
    """Ready: serves what is wanted. Reconciling: working on it. Stalled: needs a human."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


@dataclass(frozen=True, slots=True)
class Condition:
    """`status` is "True", "False" or "Unknown"; `reason` is a CamelCase word, stable."""

    type: ConditionType
    status: str
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where, what, and the way out. Lines and columns count from 1."""

    file: str
    line: int | None
    column: int | None
    key: str | None
    message: str
    suggestion: str | None = None
    entry: SkillName | None = None  # set when only this Skill is held back

    def __str__(self) -> str:
        """Compilers' form, which editors can jump to: `file:line:column: key: message`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}: {key}{self.message}{hint}"


@dataclass(frozen=True, slots=True)
class SkillStatus:
    """One Skill, wanted and served. `error` is that of the last attempt, None after success."""

    name: SkillName
    conditions: tuple[Condition, ...]
    wanted_tag: str | None = None  # None: a chat Skill
    wanted_digest: Digest | None = None  # as resolved, or pinned
    served_tag: str | None = None
    served_digest: Digest | None = None
    kind: SkillKind | None = None
    world: str | None = None
    variant: str | None = None  # split or whole
    error: Failure | None = None
    next_attempt: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change: what was done to which Skill, when, at which revision."""

    time: datetime
    revision: str
    action: str  # served, upgraded, failed, recovered, retired
    skill: SkillName
    detail: str


@dataclass(frozen=True, slots=True)
class NamespaceStatus:
    """
    One namespace. Revisions are git commits where one can be read, else content hashes.

    `observed` is what was last read, and is being brought about since; `applied` what was last
    served in full. `skills` is a live view, in the order of their names.
    """

    name: Namespace
    source: str  # the file or URL, without secrets
    owner: str  # "team" (under the root) or "operator" (settings)
    conditions: tuple[Condition, ...]
    observed_revision: str | None = None
    applied_revision: str | None = None
    problems: tuple[Problem, ...] = ()
    skills: Mapping[SkillName, SkillStatus] = field(default_factory=lambda: MappingProxyType({}))
    history: tuple[HistoryEntry, ...] = field(default=())


def condition(conditions: tuple[Condition, ...], wanted: ConditionType) -> Condition | None:
    """Return the condition of a type, None where it is not stated."""
    return next((one for one in conditions if one.type is wanted), None)
