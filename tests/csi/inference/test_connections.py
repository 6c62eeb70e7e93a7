import asyncio
import socket
import ssl
from collections.abc import Awaitable
from dataclasses import replace
from http.cookies import SimpleCookie

import aiohttp
import pytest
import trustme
from yarl import URL

from daemon.csi import interface as csi
from daemon.csi.inference.connections import (
    Progress,
    broken,
    explain_failure,
    open_session,
    too_slow,
)
from daemon.csi.inference.http import Backend, Bounds, Call
from daemon.errors import DaemonError, ErrorKind
from tests.inference_stub import StubBackend
from tests.waiting import until

CALL = Call(path="complete", model="stub", caller=csi.Caller(), token="secret", body=b"{}")


async def refusal(asking: Awaitable[object]) -> DaemonError:
    """The error that *asking* ends with."""
    with pytest.raises(DaemonError) as caught:
        await asking
    return caught.value


def quick(session: aiohttp.ClientSession, url: str) -> Backend:
    """Repeats without delay worth the name."""
    return Backend(session, url, bounds=Bounds(backoff=0.001, attempts=2))


async def test_a_dead_port_is_told_without_its_address(session: aiohttp.ClientSession) -> None:
    """In the operating system's words: callers are strangers to the operator's network."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        error = await refusal(quick(session, f"http://127.0.0.1:{port}").fetch(CALL))

    assert "can't be reached: Connection refused" in error.detail
    assert (error.kind, str(port) in error.detail) == (ErrorKind.CSI_UPSTREAM, False)


async def test_an_unknown_name_is_told(session: aiohttp.ClientSession) -> None:
    """It is tried again, for name servers have bad moments."""
    error = await refusal(quick(session, "http://nowhere.invalid").fetch(CALL))

    assert "its name is not known" in error.detail
    assert "nowhere" not in error.detail


async def test_a_backend_without_encryption_is_told(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """Asked for https, and not tried again: the setting is wrong, or somebody listens in."""
    error = await refusal(quick(session, stub.url.replace("http:", "https:")).fetch(CALL))

    assert "no secure connection" in error.detail
    assert not stub.seen


@pytest.mark.parametrize("url", ["ftp://a", "http://", "nonsense", "http://a:99999", "http://[a"])
async def test_a_url_that_is_none_is_the_operators_mistake(
    session: aiohttp.ClientSession, url: str
) -> None:
    """The kind tells the caller that nothing it could change would help."""
    assert (await refusal(quick(session, url).fetch(CALL))).kind is ErrorKind.CONFIGURATION


async def test_a_token_that_is_no_header_is_the_operators_mistake(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """A file with several lines, for example; it is not shown."""
    error = await refusal(quick(session, stub.url).fetch(replace(CALL, token="sec\nret")))

    assert error.kind is ErrorKind.CONFIGURATION
    assert "sec" not in error.detail
    assert not stub.seen


async def test_a_certificate_that_nobody_vouches_for_is_told(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """It is no matter of the URL's spelling, though the library's error is a ValueError."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(quick(session, f"https://127.0.0.1:{port}").fetch(CALL))

    assert "no secure connection" in error.detail


async def test_the_session_keeps_no_cookies(session: aiohttp.ClientSession) -> None:
    """One caller's would be sent with another's request."""
    session.cookie_jar.update_cookies(SimpleCookie("a=b"), URL("http://a"))

    assert not session.cookie_jar.filter_cookies(URL("http://a"))


async def test_the_session_tells_which_connection_was_used_before(stub: StubBackend) -> None:
    """Only requests that bring a `Progress` are told."""
    stub.key = None
    async with open_session() as session:
        first, second = Progress("it"), Progress("it")
        for progress in (first, None, second):
            url = f"{stub.url}/models/a/tokenizer"
            async with session.get(url, trace_request_ctx=progress) as response:
                await response.read()

    assert (first.reused, second.reused) == (False, True)


async def test_the_session_tells_who_waits_for_a_connection(stub: StubBackend) -> None:
    """Until there is one."""
    stub.held = asyncio.Event()
    stub.key = None
    url = f"{stub.url}/models/a/tokenizer"
    async with open_session(connections=1) as session, asyncio.TaskGroup() as group:
        first, second = Progress("it"), Progress("it")
        group.create_task(fetch(session, url, first))
        await until(lambda: stub.waiting == 1)
        group.create_task(fetch(session, url, second))
        await until(lambda: second.queued)

        stub.held.set()

    assert (first.queued, second.queued, second.reused) == (False, False, True)


async def fetch(session: aiohttp.ClientSession, url: str, progress: Progress) -> None:
    """Read one answer."""
    async with session.get(url, trace_request_ctx=progress) as response:
        await response.read()


@pytest.mark.parametrize(
    ("error", "progress", "kind", "repeatable"),
    [
        (aiohttp.ConnectionTimeoutError(), Progress("it"), ErrorKind.CSI_TIMEOUT, True),
        (TimeoutError(), Progress("it", queued=True), ErrorKind.CSI_TIMEOUT, False),
        (TimeoutError(), Progress("it", reused=True), ErrorKind.CSI_TIMEOUT, False),
        (aiohttp.ServerDisconnectedError(), Progress("it"), ErrorKind.CSI_UPSTREAM, False),
        (
            aiohttp.ServerDisconnectedError(),
            Progress("it", reused=True),
            ErrorKind.CSI_UPSTREAM,
            True,
        ),
        (aiohttp.ClientOSError(104, "reset"), Progress("it"), ErrorKind.CSI_UPSTREAM, False),
        (
            aiohttp.ClientOSError(104, "reset"),
            Progress("it", reused=True),
            ErrorKind.CSI_UPSTREAM,
            True,
        ),
        (aiohttp.ClientPayloadError(), Progress("it", reused=True), ErrorKind.CSI_UPSTREAM, False),
    ],
)
def test_only_what_never_reached_the_backend_is_repeatable(
    error: Exception, progress: Progress, kind: ErrorKind, repeatable: bool
) -> None:
    """A connection that was idle before counts as such, a fresh one does not."""
    failed = explain_failure(error, progress)

    assert (failed.error.kind, failed.repeatable) == (kind, repeatable)
    assert " it " in f" {failed.error.detail} "


def test_texts_say_how_far_it_came() -> None:
    """So that an operator knows where to look."""
    assert too_slow("did not answer", "it").detail == "it did not answer within the time limit"
    assert (
        broken("before its answer", "it").detail == "the connection to it broke before its answer"
    )
