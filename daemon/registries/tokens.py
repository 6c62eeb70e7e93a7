"""
Bearer tokens: how to ask for one, what came back, and how long it is kept. Pure.

Leaves out the asking (`authorizer`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from daemon.registries.options import UNREADABLE

_DEFAULT_LIFETIME = 60.0  # seconds, what the specification says for tokens that say nothing
_MARGIN = 10.0
_USABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be done with one repository: `pull`, or `pull,push`."""

    repository: str
    actions: str = "pull"

    def __str__(self) -> str:
        return f"repository:{self.repository}:{self.actions}"


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and for how many seconds it is used."""

    value: str = field(repr=False)
    lifetime: float

    @classmethod
    def read(cls, document: bytes) -> "Token | None":
        """Read the answer of a token server; None if it holds no usable token."""
        try:
            found = msgspec.json.decode(document, type=_Token)
        except UNREADABLE:
            return None
        value = found.token or found.access_token
        if not _USABLE.fullmatch(value):
            return None
        stated = found.expires_in or _DEFAULT_LIFETIME
        return cls(value, max(stated - _MARGIN, stated / 2))


@dataclass(frozen=True, slots=True)
class Grant:
    """An `Authorization` header, from which login it came, and until when it is used."""

    header: str = field(repr=False)
    asked: str
    until: float


@dataclass(slots=True)
class Grants:
    """What was granted, per scope. Owned by one client; *clock* counts seconds."""

    clock: Callable[[], float]
    _granted: dict[Scope, Grant] = field(default_factory=dict)

    def get(self, scope: Scope) -> Grant | None:
        """Return the grant for *scope*, unless it ran out."""
        grant = self._granted.get(scope)
        return grant if grant is not None and grant.until > self.clock() else None

    def put(self, scope: Scope, *, header: str, asked: str, lifetime: float) -> Grant:
        """Keep a grant, and drop those that ran out."""
        now = self.clock()
        self._granted = {one: kept for one, kept in self._granted.items() if kept.until > now}
        self._granted[scope] = grant = Grant(header, asked, now + lifetime)
        return grant

    def drop(self, scope: Scope) -> None:
        """Forget the grant for *scope*: it was refused."""
        self._granted.pop(scope, None)
