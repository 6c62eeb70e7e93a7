"""
Which tools the Skills of a namespace may call, and from which MCP servers.

Leaves out calling them: that is the Skills' to do, through the CSI.
"""

from aiohttp import web

from daemon.api import requests, schema
from daemon.api.ports import SERVICES, Services
from daemon.catalogue import NamespaceTools
from daemon.csi.interface import Caller
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace


async def tools(request: web.Request) -> web.Response:
    """`GET /v1/tools/{namespace}`."""
    services = request.app[SERVICES]
    name = requests.namespace(request)
    enabled(services, name)
    caller = Caller(namespace=name, token=requests.token(request))
    return schema.json(schema.tools(await services.tools.list(caller)))


async def mcp_servers(request: web.Request) -> web.Response:
    """`GET /v1/mcp_servers/{namespace}`."""
    services = request.app[SERVICES]
    return schema.json(schema.mcp_servers(enabled(services, requests.namespace(request))))


def enabled(services: Services, name: Namespace) -> NamespaceTools:
    """What *name* enables. Raises DaemonError(NAMESPACE_NOT_FOUND)."""
    catalogue = services.catalogue
    if name in catalogue.tools:
        return catalogue.tools[name]
    if name in catalogue.statuses or name in services.builtin_namespaces:
        return NamespaceTools()
    raise DaemonError(
        ErrorKind.NAMESPACE_NOT_FOUND,
        f"The namespace {str(name)!r} was not found. GET /v1/namespaces lists all.",
    )
