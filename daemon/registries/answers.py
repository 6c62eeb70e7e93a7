"""
What a registry's answer means: challenges, rate limits, and failures as DaemonErrors. Pure.

Of a failed answer only the status and the registry's own error codes are told. Its prose is left
out: proxies and registries have been seen to echo headers and signed URLs in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.options import UNREADABLE
from daemon.units import retry_after

_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"\s*(basic|bearer)(?:\s|$)", re.IGNORECASE)
_CODE = re.compile(r"[A-Z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a registry wants to be authorized: `basic`, or `bearer` with where tokens come from."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def challenge(headers: list[str]) -> Challenge | None:
    """Return the first usable challenge of the `WWW-Authenticate` headers, bearer preferred."""
    found: dict[str, Challenge] = {}
    for header in headers:
        match = _SCHEME.match(header)
        if match is None:
            continue
        scheme = match[1].lower()
        known = {key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(header)}
        found.setdefault(
            scheme,
            Challenge(
                scheme, known.get("realm", ""), known.get("service", ""), known.get("scope", "")
            ),
        )
    return found.get("bearer") or found.get("basic")


class _Error(msgspec.Struct):
    code: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


def codes(body: bytes) -> tuple[str, ...]:
    """Return the error codes in a registry's error document; none if it is something else."""
    try:
        document = msgspec.json.decode(body, type=_Errors)
    except UNREADABLE:
        return ()
    return tuple(error.code for error in document.errors if _CODE.fullmatch(error.code))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed answer: its status, (a bounded part of) its body, and the headers that matter."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def told(self) -> str:
        """The status, with the registry's codes where it gave any."""
        return " ".join((str(self.status), *dict.fromkeys(codes(self.body))))


def failure(refusal: Refusal, *, what: str, login: str, now: float) -> DaemonError:
    """
    Return the error for a failed answer.

    *what* names the wanted thing and its place, *login* the credentials that were used, by their
    source. *now* in Unix time.
    """
    status, told = refusal.status, refusal.told
    wait = retry_after(refusal.headers.get("Retry-After"), now=now)
    if status == 429 or (status == 503 and wait is not None):
        return DaemonError(
            ErrorKind.REGISTRY_RATE_LIMITED,
            f"the registry limits requests for {what} ({told}); it is asked again later",
            retry_after=wait,
        )
    if status in {401, 403}:
        return refused(what=what, told=told, login=login)
    if status == 404:
        return _missing(refusal, what)
    return DaemonError(
        ErrorKind.REGISTRY_UNAVAILABLE,
        f"the registry failed to answer for {what} ({told}); it is asked again",
        retry_after=wait,
    )


def refused(*, what: str, told: str, login: str) -> DaemonError:
    """Return the error for credentials that don't suffice, or are missing."""
    return DaemonError(
        ErrorKind.REGISTRY_REFUSED,
        f"the registry refused access to {what} ({told}), asked {login}; set the user and "
        "password of this registry in the operator's settings, or log in with docker",
    )


def _missing(refusal: Refusal, what: str) -> DaemonError:
    known = codes(refusal.body)
    if "NAME_UNKNOWN" in known:
        hint = "the registry knows no such repository: check its name, and that it was published"
    elif known:
        hint = "check the tag, and that it was published"
    else:
        hint = "the answer is not that of an OCI registry: check host and repository"
    return DaemonError(
        ErrorKind.NOT_IN_REGISTRY, f"{what} is not in the registry ({refusal.told}): {hint}"
    )
