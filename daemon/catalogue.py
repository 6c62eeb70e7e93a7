"""
What is served, and why not: the one mutable cell between reconcile (its only writer) and the API.

Leaves out how anything got here. Readers take what they need in one expression: every value is
frozen, so what they hold stays consistent while the next one is put in its place.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from daemon.names import Digest, Namespace, SkillPath
from daemon.namespaces.status import NamespaceStatus
from daemon.skill import Artifact, ChatSpec, Description, Limits, SkillKind, SkillSpec


@dataclass(frozen=True, slots=True)
class ServedSkill:
    """A WebAssembly Skill that answers at its path."""

    spec: SkillSpec
    digest: Digest
    artifact: Artifact
    limits: Limits
    revision: str
    since: datetime
    description: Description = field(default_factory=Description)

    @property
    def path(self) -> SkillPath:
        """Where it answers."""
        return self.spec.path

    @property
    def kind(self) -> SkillKind:
        """Which route it answers on."""
        return self.artifact.kind


@dataclass(frozen=True, slots=True)
class ServedChat:
    """A chat Skill that answers at its path."""

    spec: ChatSpec
    revision: str
    since: datetime

    @property
    def path(self) -> SkillPath:
        """Where it answers."""
        return self.spec.path

    @property
    def kind(self) -> SkillKind:
        """Chat Skills stream."""
        return SkillKind.MESSAGE_STREAM


Served = ServedSkill | ServedChat


@dataclass(frozen=True, slots=True)
class NamespaceTools:
    """The tools that a namespace enables: native ones by name, MCP servers by URL."""

    native: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()


@dataclass(slots=True)
class Catalogue:
    """
    Owned by the reconciler, the only caller of the methods that change it.

    `complete` turns true with the end of the first pass: until then an unknown Skill may still
    come, afterwards it is not found.
    """

    _served: dict[SkillPath, Served] = field(default_factory=dict)
    _statuses: dict[Namespace, NamespaceStatus] = field(default_factory=dict)
    _tools: dict[Namespace, NamespaceTools] = field(default_factory=dict)
    _uses: Counter[str] = field(default_factory=Counter)
    complete: bool = False

    @property
    def served(self) -> Mapping[SkillPath, Served]:
        """All that answers now (a live view)."""
        return MappingProxyType(self._served)

    @property
    def statuses(self) -> Mapping[Namespace, NamespaceStatus]:
        """All namespaces that are known, also broken and empty ones (a live view)."""
        return MappingProxyType(self._statuses)

    @property
    def tools(self) -> Mapping[Namespace, NamespaceTools]:
        """What each namespace enables (a live view)."""
        return MappingProxyType(self._tools)

    def uses(self, artifact_id: str) -> bool:
        """Whether any Skill is served by this artifact; several may be."""
        return artifact_id in self._uses

    def serve(self, skill: Served) -> None:
        """Let *skill* answer at its path from now on; calls in flight finish on the old one."""
        self.retire(skill.path)
        self._served[skill.path] = skill
        if isinstance(skill, ServedSkill):
            self._uses[skill.artifact.id] += 1

    def retire(self, path: SkillPath) -> None:
        """Stop answering at *path*."""
        old = self._served.pop(path, None)
        if isinstance(old, ServedSkill):
            self._uses[old.artifact.id] -= 1
            if not self._uses[old.artifact.id]:
                del self._uses[old.artifact.id]

    def upgrade(self, path: SkillPath, artifact: Artifact) -> bool:
        """Swap in another artifact of the very same digest; False if that is no longer served."""
        skill = self._served.get(path)
        if not isinstance(skill, ServedSkill) or skill.digest != artifact.digest:
            return False
        self.serve(replace(skill, artifact=artifact))
        return True

    def report(self, status: NamespaceStatus) -> None:
        """Publish what is known of a namespace."""
        self._statuses[status.name] = status

    def enable_tools(self, namespace: Namespace, tools: NamespaceTools) -> None:
        """Set the tools of a namespace."""
        self._tools[namespace] = tools

    def forget(self, namespace: Namespace) -> None:
        """Drop the status and tools of a namespace that is gone; Skills are retired one by one."""
        self._statuses.pop(namespace, None)
        self._tools.pop(namespace, None)
