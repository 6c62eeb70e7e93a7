"""
What is told of changes: log lines, events, history, and statuses in the catalogue.

A failure is logged when it begins or changes and once when it is over, not at every pass. Leaves
out the statuses themselves (`board`, `report`).
"""

import logging
from collections import deque
from collections.abc import Callable

from daemon.catalogue import Catalogue
from daemon.names import Namespace, SkillPath
from daemon.namespaces.status import HistoryEntry
from daemon.reconcile.attempt import Attempt, Event
from daemon.reconcile.board import Board
from daemon.reconcile.loader import Loaded, Source
from daemon.reconcile.moments import now

_log = logging.getLogger(__name__)
_LENGTH = 20


class Journal:
    """Owned by the reconciler."""

    def __init__(self, catalogue: Catalogue, observe: Callable[[Event], None]) -> None:
        self._observe = observe
        self._board = Board(catalogue)
        self._sources: dict[Namespace, Source] = {}
        self._history: dict[Namespace, deque[HistoryEntry]] = {}
        self._troubles: dict[Namespace, str] = {}
        self._unpublished: set[Namespace] = set()

    def tell(self, event: Event) -> None:
        """Note one change."""
        level = logging.WARNING if event.action == "failed" else logging.INFO
        _log.log(level, "%s %s: %s", event.path, event.action, event.detail)
        entry = HistoryEntry(now(), event.revision, event.action, event.path.name, event.detail)
        name = event.path.namespace
        if name in self._sources:  # else it is gone, and its Skills follow
            self._history.setdefault(name, deque(maxlen=_LENGTH)).append(entry)
            self._unpublished.add(name)
        self._observe(event)

    def note(self, attempt: Attempt) -> None:
        """Take in how a wanted Skill stands now."""
        self._board.note(attempt)
        self._unpublished.add(attempt.spec.path.namespace)

    def remove(self, path: SkillPath) -> None:
        """Forget a Skill that is not wanted any more."""
        self._board.remove(path)
        self._unpublished.add(path.namespace)

    def sources(self, loaded: Loaded) -> None:
        """Log what became wrong or right with the namespaces' sources; forget those gone."""
        for name, source in loaded.sources.items():
            self._log_trouble(source)
            if self._sources.get(name) != source:
                self._sources[name] = source
                self._unpublished.add(name)
        for name in self._sources.keys() - loaded.sources.keys():
            for memory in (self._sources, self._history, self._troubles):
                memory.pop(name, None)
            self._board.forget(name)

    def _log_trouble(self, source: Source) -> None:
        name, trouble = source.namespace, _trouble(source)
        before = self._troubles.get(name, "")
        if trouble and trouble != before:
            _log.warning("namespace %s: %s", name, trouble)
        elif before and not trouble and source.loaded:
            _log.info("namespace %s is well again", name)
        self._troubles[name] = trouble

    def publish(self) -> None:
        """Let everybody see what was noted; of a namespace that is gone, nothing."""
        for name in self._unpublished & self._sources.keys():
            self._board.publish(self._sources[name], tuple(self._history.get(name, ())))
        self._unpublished.clear()


def _trouble(source: Source) -> str:
    if source.failure is not None:
        return source.failure.message
    return "; ".join(str(problem) for problem in source.problems)
