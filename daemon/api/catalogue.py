"""
What is served and why not, and the kick to look again.

Leaves out how it looks (`schema`) and who knows it (`reconcile` writes the catalogue).
"""

from aiohttp import web

from daemon.api import requests, schema
from daemon.api.ports import SERVICES
from daemon.errors import DaemonError, ErrorKind


async def catalogue(request: web.Request) -> web.Response:
    """`GET /v1/catalogue`: all Skills with description, schemas, version, digest, status."""
    return schema.json(schema.catalogue_entries(request.app[SERVICES].catalogue))


async def namespaces(request: web.Request) -> web.Response:
    """`GET /v1/namespaces`."""
    return schema.json(schema.namespaces(request.app[SERVICES].catalogue.statuses))


async def namespace(request: web.Request) -> web.Response:
    """`GET /v1/namespaces/{namespace}`, with its history."""
    name = requests.namespace(request)
    status = request.app[SERVICES].catalogue.statuses.get(name)
    if status is None:
        raise DaemonError(
            ErrorKind.NAMESPACE_NOT_FOUND,
            f"There is no namespace {str(name)!r}. GET /v1/namespaces lists all.",
        )
    services = request.app[SERVICES]
    return schema.json(schema.namespace(status, services.mcp_servers(name)))


async def reload(request: web.Request) -> web.Response:
    """`POST /-/reload`: exactly 200 at once, as git-sync's webhook wants it."""
    request.app[SERVICES].reload()
    return web.Response(text="reloading\n")
