"""
The second listener: Prometheus text, without authorization, whatever the path.

Leaves out what is counted (`observability/metrics`).
"""

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


def make_metrics_app(registry: CollectorRegistry) -> web.Application:
    """The application of the metrics listener; `/health` answers `ok`."""

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/health", _health)
    app.router.add_get("/{path:.*}", metrics)
    return app


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="ok")
