"""
What an operator may say about registries, and how long and how much we put up with.

Plain values; `credentials` and `client` act on them.
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from daemon.secret import Secret

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a JSON document of a stranger may raise; the last where it nests too deeply."""

IDENTITY_TOKEN_USER = "<token>"  # noqa: S105 - docker's mark for a secret that is a refresh token


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """
    One registry, or one part of it, in the operator's words.

    Credentials hold for `repository` and all below it; transport options hold for the host.
    `source` says where this was set, for error texts.
    """

    host: str
    repository: str = ""
    user: str = ""
    password: Secret = field(default_factory=Secret)
    ca: Path | None = None
    plain_http: bool = False
    source: str = "the operator's settings"


@dataclass(frozen=True, slots=True)
class Patience:
    """
    Bounds on every conversation with a registry. Times in seconds, sizes in bytes.

    `idle` is the longest silence, also before the first byte; `answer` and `transfer` cap a small
    exchange and a whole transfer however busy they are.
    """

    connect: float = 10.0
    idle: float = 30.0
    answer: float = 60.0
    transfer: float = 900.0
    attempts: int = 4  # per transfer: the first, and resumptions of what broke off
    pause: float = 0.5  # before a resumption
    component_size: int = 512 << 20
    manifest_size: int = 4 << 20  # the size that the specification asks registries to take
    document_size: int = 256 << 10  # tokens, error documents
