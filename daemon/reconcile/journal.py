"""
What is told of changes: log lines, events, history, and statuses in the catalogue.

A failure is logged when it begins or changes and once when it is over, not at every pass. Leaves
out what a status says (`report`).
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from daemon.catalogue import Catalogue
from daemon.names import Namespace, SkillPath
from daemon.namespaces.status import HistoryEntry
from daemon.reconcile.attempt import Attempt, Event
from daemon.reconcile.loader import Loaded, Source
from daemon.reconcile.report import Facts, report
from daemon.skill import AnySpec

_log = logging.getLogger(__name__)
_LENGTH = 20


class Journal:
    """Owned by the reconciler."""

    def __init__(self, catalogue: Catalogue, observe: Callable[[Event], None]) -> None:
        self._catalogue = catalogue
        self._observe = observe
        self._history: dict[Namespace, deque[HistoryEntry]] = {}
        self._troubles: dict[Namespace, str] = {}

    def tell(self, event: Event) -> None:
        """Note one change."""
        level = logging.WARNING if event.action == "failed" else logging.INFO
        _log.log(level, "%s %s: %s", event.path, event.action, event.detail)
        entry = HistoryEntry(_now(), event.revision, event.action, event.path.name, event.detail)
        self._history.setdefault(event.path.namespace, deque(maxlen=_LENGTH)).append(entry)
        self._observe(event)

    def sources(self, loaded: Loaded) -> None:
        """Log what became wrong or right with the namespaces' sources; forget those gone."""
        for name, source in loaded.sources.items():
            trouble = _trouble(source)
            before = self._troubles.get(name, "")
            if trouble and trouble != before:
                _log.warning("namespace %s: %s", name, trouble)
            elif before and not trouble and source.loaded:
                _log.info("namespace %s is well again", name)
            self._troubles[name] = trouble
        for name in set(self._catalogue.statuses) - set(loaded.sources):
            self._catalogue.forget(name)
            self._history.pop(name, None)
            self._troubles.pop(name, None)

    def status(
        self,
        source: Source,
        *,
        wanted: Mapping[SkillPath, AnySpec],
        attempts: Mapping[SkillPath, Attempt],
    ) -> None:
        """Publish the status of one namespace, whose wishes are *wanted*."""
        name = source.namespace
        facts = Facts(
            source=source,
            wanted=wanted,
            served={p: one for p, one in self._catalogue.served.items() if p.namespace == name},
            attempts={path: attempts[path] for path in wanted if path in attempts},
            history=tuple(self._history.get(name, ())),
            now=_now(),
        )
        self._catalogue.report(report(facts, self._catalogue.statuses.get(name)))


def _trouble(source: Source) -> str:
    if source.failure is not None:
        return source.failure.message
    return "; ".join(str(problem) for problem in source.problems)


def _now() -> datetime:
    return datetime.now().astimezone()
