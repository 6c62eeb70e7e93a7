"""
What to delete when the cache holds more than its budget. Pure.

Leaves out the deleting: `store` unlinks, so whoever has a file open or mapped keeps it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the cache: its size in bytes, and when it was used last, in ns since 1970."""

    name: str
    size: int
    used: int


def victims(entries: Iterable[Entry], *, budget: int, pinned: Collection[str]) -> tuple[str, ...]:
    """
    Return what must go so that the entries fit into *budget* bytes.

    The least recently used goes first. What is pinned stays, even above the budget.
    """
    by_use = sorted(entries, key=lambda entry: (entry.used, entry.name))
    excess = sum(entry.size for entry in by_use) - budget
    chosen: list[str] = []
    for entry in by_use:
        if excess <= 0:
            break
        if entry.name not in pinned:
            chosen.append(entry.name)
            excess -= entry.size
    return tuple(chosen)
