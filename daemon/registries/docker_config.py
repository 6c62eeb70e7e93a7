"""
Logins that docker knows: its `config.json` with inline logins, credential helpers and store.

The look-up is oras'. Ours is what it lacks: a helper that hangs must not hold a thread for ever,
entries per repository, identity tokens, and errors that say which file or helper failed.
"""

import base64
import binascii
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oras.auth.base import AuthBackend
from oras.auth.utils import get_basic_auth

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.options import IDENTITY_TOKEN_USER

_HELPER_TIMEOUT = 10.0
_NOT_FOUND = "credentials not found"  # what helpers print, exiting with 1, if they have none


def find_login(
    config: Path, host: str, repository: str, *, patience: float = _HELPER_TIMEOUT
) -> tuple[str, str] | None:
    """
    Return user and password for *repository* at *host*, the closest entry first.

    Blocking; *patience* in seconds is for a helper. Raises DaemonError(REGISTRY_REFUSED).
    """
    document = _read(config)
    lookup = _Lookup(document, patience)
    for name in _names(host, repository):
        token = document["auths"].get(name, {}).get("identitytoken")
        if token:
            return IDENTITY_TOKEN_USER, token
        # A store knows hosts only: it is not asked once for each part of the repository.
        stated = name in document["auths"] or name in document["credHelpers"]
        if (stated or name == host) and lookup.load(name):
            return _decoded(lookup.pair, config, name)
    return None


class _Lookup(AuthBackend):  # type: ignore[misc]
    """oras' look-up in one config. Owned by the call that made it."""

    def __init__(self, document: dict[str, Any], patience: float) -> None:
        super().__init__()
        self._patience = patience
        self._auth_config = document
        self._basic_auth = ""

    @property
    def pair(self) -> str:
        """What was found: base64 of `user:password`."""
        return self._basic_auth

    def load(self, name: str) -> bool:
        """Look *name* up in the inline logins, then its helper, then the store."""
        return bool(self._load_auth(name))

    def _get_auth_from_creds_store(self, suffix: str, hostname: str) -> str | None:
        """Ask a helper, as oras does, but not for ever."""
        answer = _run(f"docker-credential-{suffix}", hostname, self._patience)
        if answer is None:
            return None
        try:
            found = json.loads(answer)
            return str(get_basic_auth(found["Username"], found["Secret"]))
        except (ValueError, KeyError, TypeError) as error:
            raise _refused(f"docker-credential-{suffix} gave no login for {hostname}") from error


def _run(helper: str, hostname: str, patience: float) -> bytes | None:
    """Return what *helper* prints; None if it knows no login."""
    try:
        done = subprocess.run(
            [helper, "get"],
            input=hostname.encode(),
            capture_output=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(f"{helper} did not answer within {patience:g} s") from error
    except OSError as error:
        raise _refused(f"{helper} can't be run: {error.strerror}") from error
    if done.returncode == 0:
        return done.stdout
    if _NOT_FOUND in (done.stdout + done.stderr).decode(errors="replace"):
        return None
    raise _refused(f"{helper} failed for {hostname} with exit status {done.returncode}")


def _read(config: Path) -> dict[str, Any]:
    try:
        document = json.loads(config.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not JSON"
        raise _refused(f"{config} can't be read: {reason}") from error
    if not isinstance(document, dict):
        raise _refused(f"{config} can't be read: not a JSON object")
    for table in ("auths", "credHelpers"):
        if not isinstance(document.setdefault(table, {}), dict):
            raise _refused(f"{config} can't be read: {table!r} is not a JSON object")
    if not all(isinstance(entry, dict) for entry in document["auths"].values()):
        raise _refused(f"{config} can't be read: an entry of 'auths' is not a JSON object")
    return document


def _names(host: str, repository: str) -> Iterator[str]:
    """The keys that may stand for a repository, closest first."""
    parts = repository.split("/")
    for length in range(len(parts), 0, -1):
        yield "/".join((host, *parts[:length]))
    yield host
    yield f"https://{host}"


def _decoded(pair: str, config: Path, name: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(pair, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _refused(f"the entry {name!r} of {config} is not base64 of user:password") from error
    return user, password


def _refused(why: str) -> DaemonError:
    return DaemonError(ErrorKind.REGISTRY_REFUSED, f"registry credentials: {why}")
