"""
Ranks the sections of a collection by the words of a query: BM25, as Lucene counts it.

A score is the share of the query's information that a section holds, from 0 to 1: 1 is a section
of ordinary length with every word of the query. Words that are rare in the collection weigh more.

SQLite's FTS5 finds the candidates, which are then scored anew here: its own formula gives words of
more than half of the sections no weight, so in a small collection it can't tell good from bad.
The time is bounded: of a long query the beginning counts; rare words choose at most `_BUDGET`
sections, and more frequent ones only add to the score. Where that gives too few, and for a lone
frequent word, candidates come from the first `_BUDGET` sections that have any of the words.
"""

import math
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.csi.search.embedded.analysis import words
from daemon.csi.search.embedded.documents import SHIFT, Collection, Hit
from daemon.csi.search.embedded.filters import Condition

_BUDGET = 8_000
_CANDIDATES = 100
_MAX_WORDS = 64
_MAX_QUERY = 4_096  # characters; the time to normalize them grows with the square
_K1, _B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the query and the number of sections that have it."""

    text: str
    sections: int


def search(
    connection: sqlite3.Connection,
    collection: Collection,
    query: str,
    *,
    condition: Condition | None,
    limit: int,
) -> list[Hit]:
    """Return the best *limit* sections of documents that fulfil *condition*, best first."""
    counted = _count(connection, collection, words(query[:_MAX_QUERY]))
    chosen = choose(counted)
    if not chosen or limit == 0:
        return []
    count = max(limit, _CANDIDATES)
    rows = _find(connection, collection, chosen, condition=condition, limit=count)
    present = [word for word in counted if word.sections]
    if len(rows) < limit and len(chosen) < len(present):
        rows |= _find(connection, collection, present, condition=condition, limit=count)
    scored = [(score(words(text), counted, collection), section) for section, text in rows.items()]
    scored.sort(key=lambda one: (-one[0], one[1]))
    return [Hit(section, min(1.0, value)) for value, section in scored[:limit]]


def choose(counted: Sequence[Word]) -> list[Word]:
    """The words that pick candidates: the rarest first, as many as the budget allows, or one."""
    present = sorted((one for one in counted if one.sections), key=lambda one: one.sections)
    chosen: list[Word] = []
    left = _BUDGET
    for one in present:
        left -= one.sections
        if chosen and left < 0:
            break
        chosen.append(one)
    return chosen


def score(found: Sequence[str], counted: Sequence[Word], collection: Collection) -> float:
    """The share of the query in a section with the words *found*; short ones may exceed 1."""
    mean = max(1.0, collection.words / max(1, collection.sections))
    length = _K1 * (1 - _B + _B * len(found) / mean)
    frequencies = Counter(found)
    total = reached = 0.0
    for word in counted:
        often = frequencies[word.text]
        weight = _weight(word, collection.sections)
        total += weight
        reached += weight * often * (_K1 + 1) / (often + length)
    return reached / total


def _weight(word: Word, sections: int) -> float:
    return math.log1p((sections - word.sections + 0.5) / (word.sections + 0.5))


def _count(connection: sqlite3.Connection, collection: Collection, found: list[str]) -> list[Word]:
    query = f"SELECT doc FROM words_{collection.id}_terms WHERE term = ?"
    counted: list[Word] = []
    for word in list(dict.fromkeys(found))[:_MAX_WORDS]:
        row = connection.execute(query, (word,)).fetchone()
        counted.append(Word(word, row[0] if row else 0))
    return counted


def _find(
    connection: sqlite3.Connection,
    collection: Collection,
    chosen: Sequence[Word],
    *,
    condition: Condition | None,
    limit: int,
) -> dict[int, str]:
    """The candidates by id, with their texts."""
    table = f"words_{collection.id}"
    match = " OR ".join(f'"{one.text}"' for one in chosen)
    test, parameters = _filter(condition, collection)
    rows = connection.execute(
        "SELECT section.id, section.content FROM"
        f" (SELECT rowid AS id, bm25({table}) AS score FROM {table}"
        f" WHERE {table} MATCH ?{test} LIMIT {_BUDGET}) AS found"
        " JOIN section ON section.id = found.id ORDER BY score, found.id LIMIT ?",
        (match, *parameters, limit),
    )
    return dict(rows.fetchall())


def _filter(
    condition: Condition | None, collection: Collection
) -> tuple[str, tuple[str | int | float, ...]]:
    if condition is None:
        return "", ()
    sql = f" AND (rowid >> {SHIFT}) IN ({documents(condition)})"
    return sql, (collection.id, *condition.parameters)


def documents(condition: Condition) -> str:
    """SQL for the ids of the documents that fulfil *condition*, its collection's id first."""
    return f"SELECT id FROM document WHERE collection = ? AND {condition.sql}"
