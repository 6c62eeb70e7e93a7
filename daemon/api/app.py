"""
The application of the API listener: its routes, and what surrounds every request.

Leaves out sockets and shutdown (`server`) and what any route does.
"""

import asyncio
import time
from http import HTTPStatus

from aiohttp import web

from daemon.api import catalogue, docs, health, index, skills, tools
from daemon.api.bodies import BODIES, Bodies, wait_with_continue
from daemon.api.cors import Cors
from daemon.api.csi.routes import ROUTES as CSI
from daemon.api.drain import DRAIN, Drain, shutting_down
from daemon.api.encoding import compress_responses
from daemon.api.errors import SERVER, from_error, from_http
from daemon.api.ports import OPTIONS, SERVICES, Handler, Options, Services
from daemon.api.requests import TRACE, guarded
from daemon.errors import DaemonError
from daemon.observability.tracing import failed, outgoing

SKILL = "/v1/skills/{namespace:[^/]+}/{name:[^/]+}"
COLLECTION = "/v1/index/{namespace:[^/]+}/{collection:[^/]+}"
_STARTED = web.RequestKey("started", float)

GUARDED: tuple[tuple[str, str, Handler], ...] = (
    ("POST", f"{SKILL}/run", skills.run),
    ("POST", f"{SKILL}/message-stream", skills.message_stream),
    ("GET", f"{SKILL}/metadata", skills.metadata),
    ("GET", "/v1/skills", skills.listing),
    ("GET", "/skills", skills.listing),
    ("GET", "/cached_skills", skills.cached),
    ("DELETE", "/cached_skills/{namespace:[^/]+}/{name:[^/]+}", skills.discard),
    ("GET", "/v1/catalogue", catalogue.catalogue),
    ("GET", "/v1/namespaces", catalogue.namespaces),
    ("GET", "/v1/namespaces/{namespace:[^/]+}", catalogue.namespace),
    ("POST", "/-/reload", catalogue.reload),
    ("GET", "/v1/tools/{namespace:[^/]+}", tools.tools),
    ("GET", "/v1/mcp_servers/{namespace:[^/]+}", tools.mcp_servers),
    ("GET", "/v1/index", index.collections),
    ("GET", f"{COLLECTION}/documents", index.names),
    ("GET", f"{COLLECTION}/documents/{{document:[^/]+}}", index.get),
    ("PUT", f"{COLLECTION}/documents/{{document:[^/]+}}", index.put),
    ("DELETE", f"{COLLECTION}/documents/{{document:[^/]+}}", index.delete),
    *CSI,
)
"""Routes that need a token where authorization is on. A new group: a module, and its lines here."""

OPEN: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/health", health.health),
    ("GET", "/livez", health.health),
    ("GET", "/readyz", health.ready),
    *(("GET", path, handler) for path, handler in docs.routes()),
)
"""Routes for everybody: probes and documentation."""


def make_app(services: Services, options: Options, drain: Drain) -> web.Application:
    """Build the application."""
    middlewares = [compress_responses, surround]
    if services.tracing is not None:
        middlewares.insert(0, traced)
    app = web.Application(client_max_size=options.body_limit)
    app[SERVICES], app[OPTIONS], app[DRAIN] = services, options, drain
    app[BODIES] = Bodies(options)
    app.on_response_prepare.append(finish_head)
    if options.cors_origins:
        cors = Cors(options.cors_origins)
        middlewares.insert(0, cors.preflight)
        app.on_response_prepare.append(cors.mark)
    app.middlewares.extend(middlewares)
    for method, path, handler in GUARDED:
        _add(app, method, path, guarded(handler))
    for method, path, handler in OPEN:
        _add(app, method, path, handler)
    return app


def _add(app: web.Application, method: str, path: str, handler: Handler) -> None:
    """A GET route answers HEAD as well."""
    if method == "GET":
        app.router.add_get(path, handler)
    else:
        app.router.add_route(method, path, handler, expect_handler=wait_with_continue)


@web.middleware
async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request as in flight; turn errors into problem documents."""
    request[_STARTED] = time.perf_counter()
    drain = request.app[DRAIN]
    task = asyncio.current_task()
    assert task is not None
    drain.in_flight.add(task)
    try:
        return await handler(request)
    except DaemonError as error:
        return _refuse(request, error)
    except web.HTTPException as error:
        return from_http(request, error)
    except asyncio.CancelledError:
        if not drain.expired:
            raise
        task.uncancel()
        return _refuse(request, shutting_down())
    finally:
        drain.in_flight.discard(task)
        request.app[BODIES].release(request)


def _refuse(request: web.Request, error: DaemonError) -> web.Response:
    request.app[SERVICES].failed(error.kind)
    return from_error(request, error)


@web.middleware
async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make a span of the request; what it calls sees that span as its parent."""
    tracing = request.app[SERVICES].tracing
    assert tracing is not None
    name = f"{request.method} {template(request)}"
    with tracing.request(name, request.headers) as span:
        request[TRACE] = outgoing()
        response = await handler(request)
        span.set_attribute("http.request.method", request.method)
        span.set_attribute("http.route", template(request))
        span.set_attribute("http.response.status_code", response.status)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failed(span, f"status {response.status}")
        return response


async def finish_head(request: web.Request, response: web.StreamResponse) -> None:
    """Complete the head of a response about to be sent, and report it."""
    headers = response.headers
    headers["Server"] = SERVER
    headers["X-Content-Type-Options"] = "nosniff"  # what a Skill returns is never a page
    for name, value in request.get(TRACE, ()):
        headers[name] = value
    services = request.app[SERVICES]
    if request.app[DRAIN].closing or not request.content.is_eof():
        response.force_close()  # also where a body was refused: its bytes are no next request
        headers["Connection"] = "close"
    if services.observe is not None and request.match_info.route.resource is not None:
        seconds = time.perf_counter() - request.get(_STARTED, time.perf_counter())
        services.observe(request.method, template(request), response.status, seconds)


def template(request: web.Request) -> str:
    """The route's path with its parameters' names: bounded, unlike paths."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"
