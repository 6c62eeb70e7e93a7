"""
How mistakes are told: with place, key and the nearest correct spelling. Pure.

Leaves out what a mistake is (`config`, `operator`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from daemon.names import SkillName
from daemon.namespaces.positions import Path as Key
from daemon.namespaces.positions import Positions
from daemon.namespaces.status import Problem

_CREDENTIALS = re.compile(
    r"(registry-|config-)?(access-)?(auth|credentials?|password|secret|token|user|username)",
    re.IGNORECASE,
)
WHERE_CREDENTIALS_BELONG = (
    "credentials don't belong in git; the operator sets them: REGISTRY_USER and "
    'REGISTRY_PASSWORD, [registries."<host>"] in config.toml, or docker\'s config.json'
)


@dataclass(slots=True)
class Reader:
    """Collects the problems of one document; owned by whoever reads it."""

    file: str
    places: Positions = field(default_factory=Positions)
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        at: Key,
        message: str,
        *,
        suggestion: str | None = None,
        entry: SkillName | None = None,
        key: str | None = None,
    ) -> None:
        """Note a problem of the thing *at* a path; *key* names it where the path can't."""
        line, column = self.places.of(at)
        name = key or dotted(at) or None
        self.problems.append(Problem(self.file, line, column, name, message, suggestion, entry))

    def known_keys(
        self,
        table: Mapping[str, Any],
        known: tuple[str, ...],
        *,
        at: Key,
        entry: SkillName | None = None,
    ) -> None:
        """Report the keys of *table* that are not *known*, credentials with the way out."""
        for key in table:
            if key in known:
                continue
            secret = _CREDENTIALS.fullmatch(key.replace("_", "-"))
            message = WHERE_CREDENTIALS_BELONG if secret else "unknown key"
            hint = None if secret else nearest(key, known)
            self.report((*at, key), message, suggestion=hint, entry=entry)

    def sorted(self) -> tuple[Problem, ...]:
        """The problems in file order."""
        return tuple(sorted(self.problems, key=lambda one: (one.line or 0, one.column or 0)))


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return a hint at what *word* was meant to be."""
    matches = get_close_matches(word.lower(), known, n=1)
    return f"did you mean `{matches[0]}`?" if matches else f"known are: {', '.join(known)}"


def dotted(at: Key) -> str:
    """Write a path as people do: `skills[0].tag`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in at)
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """Show a value in a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
