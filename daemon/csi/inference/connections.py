"""
The connections to backends: one pool for all calls, and what its errors mean.

The only module here that knows aiohttp's errors. Leaves out when to repeat a request (`http`),
but tells when that is safe.
"""

import os
import socket
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from daemon.errors import DaemonError, ErrorKind

_CONNECTIONS = 4096


@dataclass(slots=True)
class Progress:
    """
    How far one request came; owned by who sends it, written by the session's traces.

    `who` is asked, in the words of errors.
    """

    who: str
    queued: bool = False
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer, and whether the request may be sent once more."""

    error: DaemonError
    repeatable: bool = False


def open_session(*, connections: int = _CONNECTIONS) -> aiohttp.ClientSession:
    """
    Return the session that all drivers share; to be closed by who opened it.

    Further calls than *connections* wait for one to end; each needs a file descriptor. Keeps no
    cookies: one caller's would be sent with another's request.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "skilld"},
        trace_configs=[_traces()],
    )


def _traces() -> aiohttp.TraceConfig:
    async def queued(_: aiohttp.ClientSession, ctx: SimpleNamespace, __: object) -> None:
        if isinstance(ctx.trace_request_ctx, Progress):
            ctx.trace_request_ctx.queued = True

    async def dequeued(_: aiohttp.ClientSession, ctx: SimpleNamespace, __: object) -> None:
        if isinstance(ctx.trace_request_ctx, Progress):
            ctx.trace_request_ctx.queued = False

    async def reused(_: aiohttp.ClientSession, ctx: SimpleNamespace, __: object) -> None:
        if isinstance(ctx.trace_request_ctx, Progress):
            ctx.trace_request_ctx.reused = True

    traces = aiohttp.TraceConfig()
    traces.on_connection_queued_start.append(queued)
    traces.on_connection_queued_end.append(dequeued)
    traces.on_connection_reuseconn.append(reused)
    return traces


def explain_failure(error: Exception, progress: Progress) -> Failed:
    """
    Say in terms of our kinds why no headers of an answer came.

    Safe to repeat is what never reached the backend, and what was lost on a *reused* connection:
    there the backend closed it for being idle just when we sent. A fresh connection that is lost
    may have been lost by what was asked, so that is told instead.
    """
    if isinstance(error, TimeoutError):
        return _explain_timeout(error, progress)
    who = progress.who
    match error:
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
            return Failed(_unreachable("there is no secure connection to it", who))
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            reason = f"the URL or token of {who} is not valid"
            return Failed(DaemonError(ErrorKind.CONFIGURATION, reason))
        case aiohttp.ClientConnectorError():
            return Failed(_unreachable(_reason(error), who), repeatable=True)
        case aiohttp.ServerDisconnectedError() | OSError():
            return Failed(broken("before its answer", who), repeatable=progress.reused)
        case _:
            return Failed(_unreachable("what it answers is not HTTP", who))


def _explain_timeout(error: TimeoutError, progress: Progress) -> Failed:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failed(too_slow("can't be reached", progress.who), repeatable=True)
    what = "has no free connection" if progress.queued else "did not answer"
    return Failed(too_slow(what, progress.who))


def too_slow(what: str, who: str) -> DaemonError:
    """*what* says in a few words how far the backend came."""
    return DaemonError(ErrorKind.CSI_TIMEOUT, f"{who} {what} within the time limit")


def broken(when: str, who: str) -> DaemonError:
    """A connection that ended too early."""
    return DaemonError(ErrorKind.CSI_UPSTREAM, f"the connection to {who} broke {when}")


def _unreachable(reason: str, who: str) -> DaemonError:
    return DaemonError(
        ErrorKind.CSI_UPSTREAM,
        f"{who} can't be reached: {reason}; the operator has to check its URL",
    )


def _reason(error: aiohttp.ClientConnectorError) -> str:
    """Say it in the operating system's words: those of the libraries hold addresses."""
    if isinstance(error.os_error, socket.gaierror):
        return "its name is not known"
    return os.strerror(error.os_error.errno) if error.os_error.errno else "no connection"
