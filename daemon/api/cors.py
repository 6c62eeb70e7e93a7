"""
Lets browsers of configured origins call; there is none by default.

Answers preflights and adds the headers to every response, streams included. Never with
credentials: the token travels in a header that the caller sets on purpose.
"""

from aiohttp import web

from daemon.api.ports import Handler

_MAX_AGE = "600"


class Cors:
    """The configured origins, exact (`https://app.example`), or `*` for any."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origins)

    def _allows(self, origin: str | None) -> bool:
        return origin is not None and ("*" in self._origins or origin in self._origins)

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers to a response that is about to be sent."""
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if self._allows(origin):
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Expose-Headers"] = "Retry-After, traceparent"

    @web.middleware
    async def preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a browser's question before the request itself."""
        headers = request.headers
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in headers
        if not asks or not self._allows(headers.get("Origin")):
            return await handler(request)
        allowed = {
            "Access-Control-Allow-Methods": headers["Access-Control-Request-Method"],
            "Access-Control-Max-Age": _MAX_AGE,
        }
        wanted = headers.get("Access-Control-Request-Headers")
        if wanted:
            allowed["Access-Control-Allow-Headers"] = wanted
        return web.Response(status=204, headers=allowed)
