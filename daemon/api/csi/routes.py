"""
The routes `/csi/v1/*`, `/csi/v2/*` and `/csi`: what Skills ask of their host, for developers.

Every call is made on behalf of the request's bearer, without a namespace; only the functions on
tools name one. Leaves out how requests and answers look (the modules beside this one).
"""

from collections.abc import Callable, Container, Iterable
from typing import Any

import msgspec
from aiohttp import web

from daemon.api import requests, schema
from daemon.api.csi import events, inference, legacy, streams
from daemon.api.csi.body import decode
from daemon.api.csi.functions import TOOLS, V1, V2, Batch, OfTools
from daemon.api.ports import OPTIONS, SERVICES, Handler
from daemon.api.tools import enabled
from daemon.csi.context import DriverContext
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.skill import StreamEvent

Routes = Iterable[tuple[str, str, Handler]]

_COMPLETION = msgspec.json.Decoder(inference.Completion)
_CHAT = msgspec.json.Decoder(inference.Chat)


def _context(request: web.Request, namespace: Namespace | None = None) -> DriverContext:
    drivers = request.app[SERVICES].csi
    return DriverContext(drivers, requests.caller(request, namespace), _unheard)


def _unheard(_: StreamEvent) -> None:
    """Tools that begin and end tell a Skill's stream; here, nobody listens."""


def _batch(function: Batch) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        body = await requests.json_body(request)
        return _json(await function.answer(body, _context(request)))

    return answer


def _of_tools(function: OfTools) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        services = request.app[SERVICES]
        asked = decode(await requests.json_body(request), function.decoder)
        namespace = Namespace(asked.namespace)
        enabled(services, namespace)
        _open_to_callers(request.app[OPTIONS].csi_tools, namespace)
        return _json(await function.answer(asked, _context(request, namespace)))

    return answer


def _open_to_callers(opened: Container[str], namespace: Namespace) -> None:
    if "*" not in opened and namespace not in opened:
        raise DaemonError(
            ErrorKind.TOOLS_CLOSED,
            f"The tools of the namespace {str(namespace)!r} are for its Skills only; CSI_TOOLS is "
            "where the operator opens those of a namespace to callers.",
        )


async def _completion_stream(request: web.Request) -> web.StreamResponse:
    asked = decode(await requests.json_body(request), _COMPLETION)
    model = request.app[SERVICES].csi.inference
    said = model.completion_stream(asked.request(), requests.caller(request))
    return await streams.serve(request, said, events.completion)


def _chat_stream(tell: Callable[[inference.Chat], events.Tell]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = decode(await requests.json_body(request), _CHAT)
        model = request.app[SERVICES].csi.inference
        said = model.chat_stream(asked.request(), requests.caller(request))
        return await streams.serve(request, said, tell(asked))

    return answer


async def _legacy(request: web.Request) -> web.Response:
    body = await requests.json_body(request)
    return _json(await legacy.answer(body, _context(request)))


def _json(answer: Any) -> web.Response:
    try:
        return schema.json(answer)
    except UnicodeEncodeError as error:
        raise DaemonError(
            ErrorKind.CSI_UPSTREAM, f"A backend answered with text that is not Unicode: {error}."
        ) from error


def _version(prefix: str, batches: Iterable[tuple[str, Batch]], chat_stream: Handler) -> Routes:
    for name, batch in batches:
        yield "POST", f"{prefix}/{name}", _batch(batch)
    for name, function in TOOLS.items():
        yield "POST", f"{prefix}/{name}", _of_tools(function)
    yield "POST", f"{prefix}/completion_stream", _completion_stream
    yield "POST", f"{prefix}/chat_stream", chat_stream


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    *_version("/csi/v1", V1.items(), _chat_stream(events.chat_v1)),
    *_version("/csi/v2", V2.items(), _chat_stream(events.chat_v2)),
    ("POST", "/csi", _legacy),
)
"""All of them need a token where authorization is on."""
