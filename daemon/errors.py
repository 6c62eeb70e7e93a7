"""
Every error that skilld itself raises, and the stable codes by which callers know them.

The *kind* says whose fault it is and what may be done about it; `api/errors.py` turns it into an
HTTP status, `namespaces/status.py` into a condition. Foreign exceptions are translated where
they are caught (`raise ... from error`) and never travel further.
"""

from enum import StrEnum
from typing import TypeVar


class ErrorKind(StrEnum):
    """What went wrong, as a stable code: clients, metrics and tests rely on the spelling."""

    # The request.
    MALFORMED_REQUEST = "malformed-request"
    ROUTE_NOT_FOUND = "route-not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REQUEST_TIMEOUT = "request-timeout"
    PAYLOAD_TOO_LARGE = "payload-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    TOKEN_MISSING = "token-missing"  # noqa: S105 - a code, not a secret
    TOKEN_REFUSED = "token-refused"  # noqa: S105
    TOOLS_CLOSED = "tools-closed"
    AUTHORIZATION_UNAVAILABLE = "authorization-unavailable"
    NAMESPACE_NOT_FOUND = "namespace-not-found"
    SKILL_NOT_FOUND = "skill-not-found"
    SKILL_IS_FUNCTION = "skill-is-function"
    SKILL_IS_STREAM = "skill-is-stream"
    INPUT_VIOLATES_SCHEMA = "input-violates-schema"
    # The Skill's answer.
    INVALID_INPUT = "invalid-input"
    SKILL_FAILED = "skill-failed"
    # The Skill's bugs.
    INVALID_OUTPUT = "invalid-output"
    STREAM_ORDER = "stream-order"
    CSI_IN_METADATA = "csi-in-metadata"
    SKILL_TRAPPED = "skill-trapped"
    OUTPUT_TOO_LARGE = "output-too-large"
    # The Skill can't be served, now (503) or as it is (status only).
    SKILL_NOT_READY = "skill-not-ready"
    SKILL_UNSERVABLE = "skill-unservable"
    NAMESPACE_INVALID = "namespace-invalid"
    STARTING = "starting"
    SHUTTING_DOWN = "shutting-down"
    OVERLOADED = "overloaded"
    TOO_MANY_CALLS = "too-many-calls"
    WORKER_LOST = "worker-lost"
    DEADLINE_EXCEEDED = "deadline-exceeded"
    CANCELLED = "cancelled"
    # What a Skill asked of its host, or a developer of the CSI.
    CSI_NOT_CONFIGURED = "csi-not-configured"
    CSI_BAD_REQUEST = "csi-bad-request"
    CSI_UNAUTHORIZED = "csi-unauthorized"
    CSI_UNKNOWN_MODEL = "csi-unknown-model"
    CSI_NOT_FOUND = "csi-not-found"
    CSI_RATE_LIMITED = "csi-rate-limited"
    CSI_TIMEOUT = "csi-timeout"
    CSI_UPSTREAM = "csi-upstream"
    # Installing a Skill.
    NOT_IN_REGISTRY = "not-in-registry"
    REGISTRY_UNAVAILABLE = "registry-unavailable"
    REGISTRY_REFUSED = "registry-refused"
    REGISTRY_RATE_LIMITED = "registry-rate-limited"
    DIGEST_MISMATCH = "digest-mismatch"
    BAD_ARTIFACT = "bad-artifact"
    TOO_LARGE = "too-large"
    NOT_A_COMPONENT = "not-a-component"
    NO_SUPPORTED_WORLD = "no-supported-world"
    WORLD_NOT_YET_SUPPORTED = "world-not-yet-supported"
    WORLD_NO_LONGER_SUPPORTED = "world-no-longer-supported"
    MISSING_IMPORT = "missing-import"
    COMPILE_FAILED = "compile-failed"
    COMPILE_LIMIT = "compile-limit"
    CACHE_UNUSABLE = "cache-unusable"
    # The operator.
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


PERMANENT = frozenset(
    {
        ErrorKind.NOT_A_COMPONENT,
        ErrorKind.NO_SUPPORTED_WORLD,
        ErrorKind.WORLD_NOT_YET_SUPPORTED,
        ErrorKind.WORLD_NO_LONGER_SUPPORTED,
        ErrorKind.MISSING_IMPORT,
        ErrorKind.BAD_ARTIFACT,
        ErrorKind.TOO_LARGE,
        ErrorKind.COMPILE_FAILED,
    }
)
"""Kinds that the same digest will meet again: retried only when the digest or the wish changes."""


_E = TypeVar("_E", bound=BaseException)


def first(group: BaseExceptionGroup[_E]) -> _E:
    """Return the first error of a task group; the others were cancelled, or failed alike."""
    error = group.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error


class DaemonError(Exception):
    """
    An error of a known kind, with a text that a caller or operator can act on.

    `detail` may hold guest or upstream text; it never holds tokens or URLs with a query.
    `retry_after` is in seconds, where the far side or our own back-off named a time.
    """

    def __init__(self, kind: ErrorKind, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after

    @property
    def permanent(self) -> bool:
        """Whether trying again with the same input is pointless."""
        return self.kind in PERMANENT

    def __repr__(self) -> str:
        return f"DaemonError({self.kind.value}: {self.detail})"
