"""
Which credentials a registry gets: the operator's settings first, then docker's own config.

Credentials are bound to a registry host (and optionally a repository): a namespace file may name
any registry, so a password must never go to a host that the operator did not name with it.
Everything is read when it is used, since secrets rotate. Leaves out tokens (`authorizer`).
"""

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.options import IDENTITY_TOKEN_USER, RegistryOptions


@dataclass(frozen=True, slots=True)
class Login:
    """User and password for one registry, and where they were found."""

    user: str
    password: str = field(repr=False)
    source: str

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    @property
    def identity_token(self) -> str | None:
        """The refresh token, where the login is one instead of a user and a password."""
        return self.password if self.user == IDENTITY_TOKEN_USER else None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Finds logins in the operator's *options*, then in docker's config file, if that exists."""

    options: tuple[RegistryOptions, ...] = ()
    docker_config: Path | None = None

    async def find(self, host: str, repository: str) -> Login | None:
        """
        Return the login for *repository* at *host*, None for anonymous access.

        Raises DaemonError(REGISTRY_REFUSED) for a secret or config that can't be read.
        """
        return await asyncio.to_thread(self._find, host, repository)

    def _find(self, host: str, repository: str) -> Login | None:
        entry = closest(self.options, host, repository)
        if entry is not None:
            return _configured(entry)
        if self.docker_config is None or not self.docker_config.is_file():
            return None
        # Not at the top: it imports requests, a tenth of a second that only its users shall pay.
        from daemon.registries.docker_config import find_login  # noqa: PLC0415

        found = find_login(self.docker_config, host, repository)
        return None if found is None else Login(*found, source=f"login of {self.docker_config}")


def closest(
    options: Iterable[RegistryOptions], host: str, repository: str
) -> RegistryOptions | None:
    """Return the entry with credentials whose host is *host* and whose repository fits closest."""
    fitting = [
        (len(base), entry)
        for entry in options
        for base in (entry.repository.strip("/"),)
        if entry.host == host and entry.user and _within(repository, base)
    ]
    return max(fitting, key=lambda found: found[0], default=(0, None))[1]


def _within(repository: str, base: str) -> bool:
    return not base or repository == base or repository.startswith(f"{base}/")


def _configured(entry: RegistryOptions) -> Login:
    try:
        password = entry.password.reveal()
    except DaemonError as error:
        raise DaemonError(
            ErrorKind.REGISTRY_REFUSED, f"no access to registry {entry.host}: {error.detail}"
        ) from error
    return Login(entry.user, password, source=f"the user and password of {entry.source}")
