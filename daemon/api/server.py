"""
Starts and stops the two listeners.

Leaves out signals (`daemon.app`) and what is served (`app`, `metrics`). Each request runs in a
task that is cancelled when its client leaves; a stop lets requests finish within a grace.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from daemon.api.app import make_app
from daemon.api.drain import Drain
from daemon.api.errors import from_status
from daemon.api.metrics import make_metrics_app
from daemon.api.ports import Options, Services
from daemon.api.streams import INTERNAL

_log = logging.getLogger(__name__)

Address = tuple[str, int]

_BACKLOG = 1024
_CLOSE_CONNECTIONS = 1.0  # seconds, after all requests have ended


class _Protocol(web.RequestHandler):
    """
    Answers what never reaches the application with problem documents as well.

    Gives up a client that takes nothing of an answer for *stalled* seconds: the kernel sees to
    that, and the request ends as if the client had left.
    """

    __slots__ = ("_stalled",)

    def __init__(self, manager: web.Server, *, stalled: float, **others: Any) -> None:
        super().__init__(manager, **others)
        self._stalled = round(stalled * 1000)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound how long the client may let its window stay shut."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._stalled)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Say what is wrong with a broken request; log a bug, tell nothing of its inside."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun: an error can't be told any more")
        bug = status == HTTPStatus.INTERNAL_SERVER_ERROR
        if bug:
            _log.error("%s %s failed", request.method, request.path, exc_info=exc)
        response = from_status(request, status, INTERNAL if bug else _reason(message))
        response.force_close()
        return response


def _reason(message: str | None) -> str:
    """The parser's words without its excerpt of the request."""
    told = (message or "").partition("\n")[0].partition(": ")[0].rstrip(": .")
    return f"The request is not valid HTTP: {told}." if told else "The request is not valid HTTP."


class _Server(web.Server):
    """Makes our protocol for each connection."""

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    """Runs an application on our server class; aiohttp offers no public way to choose it."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return _Server(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )


@dataclass(frozen=True, slots=True)
class Listening:
    """The addresses that were really bound."""

    api: Address
    metrics: Address | None


class Server:
    """The HTTP side of the daemon. Owned by `app`: started once, stopped once."""

    def __init__(
        self,
        services: Services,
        *,
        options: Options | None = None,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Without *metrics* there is no second listener."""
        self._drain = Drain()
        self._options = options or Options()
        self._api = make_app(services, self._options, self._drain)
        self._metrics = metrics
        self._runners: list[web.AppRunner] = []

    async def start(
        self, *, api: Address | socket.socket, metrics: Address | socket.socket | None = None
    ) -> Listening:
        """Bind and serve. Raises OSError when an address can't be bound; nothing then runs."""
        try:
            bound = await self._listen(self._api, api)
            bound_metrics = None
            if self._metrics is not None and metrics is not None:
                bound_metrics = await self._listen(make_metrics_app(self._metrics), metrics)
        except BaseException:
            await self.stop(grace=0.0)
            raise
        return Listening(bound, bound_metrics)

    async def _listen(self, app: web.Application, where: Address | socket.socket) -> Address:
        runner = _Runner(
            app,
            access_log=None,
            handler_cancellation=True,
            auto_decompress=False,  # `encoding` does it bounded, and big bodies in a thread
            keepalive_timeout=self._options.keep_alive,
            stalled=self._options.stalled,
            shutdown_timeout=_CLOSE_CONNECTIONS,
        )
        self._runners.append(runner)
        await runner.setup()
        site: web.BaseSite
        if isinstance(where, socket.socket):
            site = web.SockSite(runner, where, backlog=_BACKLOG)
        else:
            site = web.TCPSite(runner, where[0], where[1], backlog=_BACKLOG)
        await site.start()
        return _bound(runner)

    async def stop(self, *, grace: float) -> None:
        """
        Stop accepting, let requests finish for *grace* seconds, tell the rest and close.

        The metrics listener answers until the end.
        """
        self._drain.close()
        for runner in self._runners[:1]:
            for site in list(runner.sites):
                await site.stop()
        await self._drain.finish(grace=grace)
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    def unready(self) -> None:
        """Fail the readiness probe, but go on serving."""
        self._drain.close()

    def hurry(self) -> None:
        """End the grace of a stop under way now: the operator asked twice."""
        self._drain.hurry()


def _bound(runner: web.AppRunner) -> Address:
    name: Any = runner.addresses[0]
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else (str(name), 0)
