"""
From an HTTP request to what a call needs: path, JSON text, caller.

The body stays bytes from here to the guest. Leaves out whether it is JSON and fits the Skill:
the runner checks that, once.
"""

from functools import lru_cache

from aiohttp import web

from daemon.api.bodies import BODIES
from daemon.api.encoding import decompress
from daemon.api.ports import SERVICES, Handler
from daemon.csi.interface import Caller
from daemon.errors import DaemonError, ErrorKind
from daemon.names import InvalidNameError, Namespace, SkillPath

TRACE_HEADERS = ("traceparent", "tracestate", "baggage")
TRACE = web.RequestKey("trace", tuple[tuple[str, str], ...])
"""The key under which a request keeps the headers of its own span, where tracing is on."""


def skill_path(request: web.Request) -> SkillPath:
    """The Skill that the URL names. Raises DaemonError(MALFORMED_REQUEST)."""
    place = request.match_info
    try:
        return _parse(place["namespace"], place["name"])
    except InvalidNameError as error:
        raise DaemonError(ErrorKind.MALFORMED_REQUEST, f"{error}.") from error


@lru_cache(maxsize=4096)
def _parse(namespace: str, name: str) -> SkillPath:
    return SkillPath.parse(namespace, name)


def namespace(request: web.Request) -> Namespace:
    """The namespace that the URL names. Raises DaemonError(MALFORMED_REQUEST)."""
    try:
        return Namespace(request.match_info["namespace"])
    except InvalidNameError as error:
        raise DaemonError(ErrorKind.MALFORMED_REQUEST, f"{error}.") from error


async def json_body(request: web.Request) -> bytes:
    """Read the body, decompressed. Raises DaemonError: wrong type, no body that can be read."""
    check_media_type(request)
    bodies = request.app[BODIES]
    body = await bodies.read(request)
    coding = ", ".join(request.headers.getall("Content-Encoding", ())).strip().lower()
    if coding in {"identity", ""}:
        return body
    body = await decompress(body, coding, limit=bodies.limit)
    bodies.hold(request, len(body))
    return body


def check_media_type(request: web.Request) -> None:
    """Take `application/json` and `application/*+json` only."""
    stated = request.headers.get("Content-Type", "")
    media_type = stated.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return
    if media_type.startswith("application/") and media_type.endswith("+json"):
        return
    shown = f"not {stated!r}" if stated else "it has none"
    raise DaemonError(
        ErrorKind.UNSUPPORTED_MEDIA_TYPE,
        f"Send the body as JSON, with the header 'Content-Type: application/json' ({shown}).",
    )


def token(request: web.Request) -> str | None:
    """The bearer token; None without one, or with another kind of credentials."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return (credentials.strip() or None) if scheme.lower() == "bearer" else None


def caller(request: web.Request, namespace: Namespace | None = None) -> Caller:
    """On whose behalf the call is made, with the tools of *namespace* if any."""
    return Caller(
        namespace=namespace,
        token=token(request),
        trace=request.get(TRACE) or _trace_headers(request),
    )


def _trace_headers(request: web.Request) -> tuple[tuple[str, str], ...]:
    headers = request.headers
    return tuple((name, headers[name]) for name in TRACE_HEADERS if name in headers)


def guarded(handler: Handler) -> Handler:
    """Let only callers through that the authorizer accepts."""

    async def guard(request: web.Request) -> web.StreamResponse:
        await request.app[SERVICES].authorizer.check(token(request))
        return await handler(request)

    return guard
