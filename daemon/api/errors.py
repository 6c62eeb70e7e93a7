"""
The one table from error kinds to HTTP, and the problem documents (RFC 9457) made of it.

Leaves out where errors are caught: `app` does that for requests, `streams` once a stream runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from types import MappingProxyType

import msgspec
from aiohttp import web

from daemon.api.negotiation import prefers_text
from daemon.errors import DaemonError, ErrorKind

PROBLEM_JSON = "application/problem+json"
SERVER = "skilld"
_MIN_RETRY_AFTER = 1


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a kind looks from outside; `retry_after` (seconds) unless the error knows better."""

    status: int
    title: str
    retry_after: int | None = None


K = ErrorKind
_UNLOADABLE = Meaning(503, "The Skill can't be loaded for now", 10)

TABLE: Mapping[ErrorKind, Meaning] = MappingProxyType(
    {
        K.MALFORMED_REQUEST: Meaning(400, "The request is malformed"),
        K.ROUTE_NOT_FOUND: Meaning(404, "Nothing is served at this path"),
        K.METHOD_NOT_ALLOWED: Meaning(405, "The path does not know this method"),
        K.REQUEST_TIMEOUT: Meaning(408, "The request body did not arrive in time"),
        K.PAYLOAD_TOO_LARGE: Meaning(413, "The request body is too large"),
        K.UNSUPPORTED_MEDIA_TYPE: Meaning(
            415, "The request body's type or coding is not supported"
        ),
        K.TOKEN_MISSING: Meaning(401, "A bearer token is needed"),
        K.TOKEN_REFUSED: Meaning(403, "The bearer token is not accepted"),
        K.TOOLS_CLOSED: Meaning(403, "The tools of this namespace are for its Skills only"),
        K.AUTHORIZATION_UNAVAILABLE: Meaning(503, "The token can't be checked for now", 5),
        K.NAMESPACE_NOT_FOUND: Meaning(404, "There is no such namespace"),
        K.SKILL_NOT_FOUND: Meaning(404, "There is no such Skill"),
        K.SKILL_IS_FUNCTION: Meaning(409, "The Skill is a function: use /run"),
        K.SKILL_IS_STREAM: Meaning(409, "The Skill streams: use /message-stream"),
        K.INPUT_VIOLATES_SCHEMA: Meaning(422, "The input violates the Skill's schema"),
        K.INVALID_INPUT: Meaning(422, "The Skill refused the input"),
        K.SKILL_FAILED: Meaning(400, "The Skill reported an error"),
        K.INVALID_OUTPUT: Meaning(500, "The Skill's output is not JSON"),
        K.STREAM_ORDER: Meaning(500, "The Skill broke the order of its stream"),
        K.CSI_IN_METADATA: Meaning(500, "The Skill's metadata function asks its host"),
        K.SKILL_TRAPPED: Meaning(500, "The Skill crashed"),
        K.OUTPUT_TOO_LARGE: Meaning(500, "The Skill's output is too large"),
        K.SKILL_NOT_READY: Meaning(503, "The Skill is not ready", 2),
        K.SKILL_UNSERVABLE: _UNLOADABLE,
        K.NAMESPACE_INVALID: Meaning(503, "The namespace's configuration is invalid", 10),
        K.STARTING: Meaning(503, "The server is starting", 2),
        K.SHUTTING_DOWN: Meaning(503, "The server is shutting down", 1),
        K.OVERLOADED: Meaning(503, "The server is overloaded", 1),
        K.TOO_MANY_CALLS: Meaning(429, "The Skill has too many calls at a time", 1),
        K.WORKER_LOST: Meaning(503, "The process that ran the Skill was lost", 1),
        K.DEADLINE_EXCEEDED: Meaning(504, "The Skill took too long"),
        K.CANCELLED: Meaning(503, "The call was cancelled", 1),
        K.CSI_NOT_CONFIGURED: Meaning(503, "A backend that the call needs is not configured"),
        K.CSI_BAD_REQUEST: Meaning(422, "The request to the host is not valid"),
        K.CSI_UNAUTHORIZED: Meaning(403, "A backend refused the caller's token"),
        K.CSI_UNKNOWN_MODEL: Meaning(422, "There is no such model"),
        K.CSI_NOT_FOUND: Meaning(422, "There is no such document or collection"),
        K.CSI_RATE_LIMITED: Meaning(429, "A backend limits the rate of requests", 5),
        K.CSI_TIMEOUT: Meaning(504, "A backend took too long"),
        K.CSI_UPSTREAM: Meaning(502, "A backend failed"),
        K.NOT_IN_REGISTRY: _UNLOADABLE,
        K.REGISTRY_UNAVAILABLE: _UNLOADABLE,
        K.REGISTRY_REFUSED: _UNLOADABLE,
        K.REGISTRY_RATE_LIMITED: _UNLOADABLE,
        K.DIGEST_MISMATCH: _UNLOADABLE,
        K.BAD_ARTIFACT: _UNLOADABLE,
        K.TOO_LARGE: _UNLOADABLE,
        K.NOT_A_COMPONENT: _UNLOADABLE,
        K.NO_SUPPORTED_WORLD: _UNLOADABLE,
        K.WORLD_NOT_YET_SUPPORTED: _UNLOADABLE,
        K.WORLD_NO_LONGER_SUPPORTED: _UNLOADABLE,
        K.MISSING_IMPORT: _UNLOADABLE,
        K.COMPILE_FAILED: _UNLOADABLE,
        K.COMPILE_LIMIT: _UNLOADABLE,
        K.CACHE_UNUSABLE: _UNLOADABLE,
        K.CONFIGURATION: Meaning(500, "The server is not configured correctly"),
        K.INTERNAL: Meaning(500, "Internal error"),
    }
)

BEFORE_THE_CALL = frozenset(
    {
        K.MALFORMED_REQUEST,
        K.NAMESPACE_NOT_FOUND,
        K.SKILL_NOT_FOUND,
        K.SKILL_IS_FUNCTION,
        K.SKILL_IS_STREAM,
        K.INPUT_VIOLATES_SCHEMA,
        K.SKILL_NOT_READY,
        K.SKILL_UNSERVABLE,
        K.NAMESPACE_INVALID,
        K.STARTING,
        K.SHUTTING_DOWN,
        K.OVERLOADED,
        K.TOO_MANY_CALLS,
    }
)
"""No guest ran: a stream that begins with one of these is answered with its status."""

_BY_STATUS = {
    404: K.ROUTE_NOT_FOUND,
    405: K.METHOD_NOT_ALLOWED,
    413: K.PAYLOAD_TOO_LARGE,
    415: K.UNSUPPORTED_MEDIA_TYPE,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as clients see it. `type` leads to a page about this kind of error."""

    kind: ErrorKind
    status: int
    detail: str
    retry_after: int | None = None
    namespace: str | None = None
    skill: str | None = None

    def document(self) -> dict[str, object]:
        """The members of the problem document, in their order."""
        members: dict[str, object] = {
            "type": f"/problems/{self.kind}",
            "code": self.kind.value,
            "title": TABLE[self.kind].title,
            "status": self.status,
            "detail": self.detail,
        }
        places = {"namespace": self.namespace, "skill": self.skill}
        return members | {name: place for name, place in places.items() if place is not None}


def problem(error: DaemonError, *, namespace: str | None, skill: str | None) -> Problem:
    """Look *error* up in the table; times are rounded up to whole seconds."""
    meaning = TABLE[error.kind]
    retry_after = meaning.retry_after
    if error.retry_after is not None:
        retry_after = max(_MIN_RETRY_AFTER, ceil(error.retry_after))
    return Problem(error.kind, meaning.status, error.detail, retry_after, namespace, skill)


def kind_of_status(status: int) -> ErrorKind:
    """The kind of an error that the HTTP library made."""
    return _BY_STATUS.get(status, K.MALFORMED_REQUEST if status < 500 else K.INTERNAL)


def response(request: web.BaseRequest, found: Problem) -> web.Response:
    """The problem as a response: a document, or its detail for clients that ask for text."""
    headers = _headers(found)
    if prefers_text(request.headers.get("Accept", "")):
        return web.Response(
            status=found.status, text=found.detail, content_type="text/plain", headers=headers
        )
    return web.Response(
        status=found.status,
        body=msgspec.json.encode(found.document()),
        content_type=PROBLEM_JSON,
        headers=headers,
    )


def from_error(request: web.Request, error: DaemonError) -> web.Response:
    """The response to an error of ours."""
    place = request.match_info
    found = problem(error, namespace=place.get("namespace"), skill=place.get("name"))
    return response(request, found)


def from_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """The response to an error that aiohttp raised, with what its headers tell (`Allow`)."""
    kind = kind_of_status(error.status)
    result = response(request, Problem(kind, error.status, _http_detail(request, error)))
    if "Allow" in error.headers:
        result.headers["Allow"] = error.headers["Allow"]
    return result


def from_status(request: web.BaseRequest, status: int, detail: str) -> web.Response:
    """The response to an error that has no exception of ours: a broken request, a bug."""
    result = response(request, Problem(kind_of_status(status), status, detail))
    result.headers["Server"] = SERVER
    return result


def _headers(found: Problem) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if found.retry_after is not None:
        headers["Retry-After"] = str(found.retry_after)
    if found.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="skilld"'
    return headers


def _http_detail(request: web.Request, error: web.HTTPException) -> str:
    match error:
        case web.HTTPNotFound():
            return f"There is nothing at {request.path}. /openapi.json lists all paths."
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return f"{request.path} does not know {request.method}: use {allowed}."
        case web.HTTPRequestEntityTooLarge():
            return "The request body is larger than this server takes."
    return error.reason
