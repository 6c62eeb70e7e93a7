"""
The statuses of all namespaces, brought up to date one Skill at a time.

A namespace may have thousands of Skills, and each may fail and be tried again every few minutes:
what one of them does must not cost a look at all. Leaves out what a status says (`report`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from daemon.catalogue import Catalogue
from daemon.names import Namespace, SkillName, SkillPath
from daemon.namespaces.status import HistoryEntry, SkillStatus
from daemon.reconcile.attempt import Attempt
from daemon.reconcile.loader import Source
from daemon.reconcile.moments import now
from daemon.reconcile.report import Tally, namespace_status, skill_status


@dataclass(slots=True)
class _Sheet:
    """One namespace; owned by the board."""

    skills: dict[SkillName, SkillStatus] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    in_order: bool = True

    def sorted(self) -> Mapping[SkillName, SkillStatus]:
        """All Skills in the order of their names, as a live view."""
        if not self.in_order:
            self.skills = dict(sorted(self.skills.items()))
            self.in_order = True
        return MappingProxyType(self.skills)


class Board:
    """Owned by the journal."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._sheets: dict[Namespace, _Sheet] = {}

    def note(self, attempt: Attempt) -> None:
        """Take in how a wanted Skill stands now."""
        path = attempt.spec.path
        sheet = self._sheets.setdefault(path.namespace, _Sheet())
        before = sheet.skills.get(path.name)
        served = self._catalogue.served.get(path)
        status = skill_status(attempt, served, before=before, now=now())
        sheet.in_order = sheet.in_order and before is not None
        sheet.skills[path.name] = status
        sheet.tally.note(status)

    def remove(self, path: SkillPath) -> None:
        """Forget a Skill that is not wanted any more."""
        sheet = self._sheets.get(path.namespace)
        if sheet is not None:
            sheet.skills.pop(path.name, None)
            sheet.tally.forget(path.name)

    def forget(self, namespace: Namespace) -> None:
        """Forget a namespace that is gone."""
        self._sheets.pop(namespace, None)
        self._catalogue.forget(namespace)

    def publish(self, source: Source, history: tuple[HistoryEntry, ...]) -> None:
        """Let everybody see the status of the namespace that comes from *source*."""
        name = source.namespace
        sheet = self._sheets.setdefault(name, _Sheet())
        status = namespace_status(
            source,
            sheet.sorted(),
            tally=sheet.tally,
            history=history,
            before=self._catalogue.statuses.get(name),
            now=now(),
        )
        self._catalogue.report(status)
