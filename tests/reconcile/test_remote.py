import asyncio
import gzip
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from daemon.names import Namespace
from daemon.namespaces.operator import RemoteNamespace
from daemon.reconcile.remote import Fetched, Remotes
from daemon.secret import Secret
from tests.reconcile.conftest import until

NAME = Namespace("remote")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server on a free port whose only page is up to the test."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.answer: Callable[[], web.StreamResponse] = lambda: web.Response(text="skills = []")
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as told."""
        self.requests.append(request)
        return self.answer()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A running site."""
    made = Site()
    app = web.Application()
    app.router.add_get("/n.toml", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/n.toml"
    yield made
    await runner.cleanup()


@pytest.fixture
async def remotes() -> AsyncIterator[Remotes]:
    """With no pause between two requests."""
    made = Remotes(interval=0.0, timeout=5.0)
    yield made
    await made.close()


async def fetched(remotes: Remotes, source: RemoteNamespace) -> Fetched:
    """Ask once more, and wait for what is new."""
    changed = asyncio.Event()
    remotes.on_change = changed.set
    remotes.expire()
    remotes.latest(NAME, source)
    async with asyncio.timeout(10):
        await changed.wait()
    known = remotes.latest(NAME, source)
    assert known is not None
    return known


async def test_a_file_is_fetched_with_its_token(site: Site, remotes: Remotes) -> None:
    """Before the first answer nothing is known."""
    source = RemoteNamespace(site.url, token=Secret("hush"))
    assert remotes.latest(NAME, source) is None

    await until(lambda: remotes.latest(NAME, source) is not None)

    known = remotes.latest(NAME, source)
    assert known is not None
    assert known.data == b"skills = []"
    assert known.revision is not None
    assert site.requests[0].headers["Authorization"] == "Bearer hush"


async def test_what_has_not_changed_is_not_sent_again(site: Site, remotes: Remotes) -> None:
    """The server's ETag comes back to it."""
    source = RemoteNamespace(site.url)
    site.answer = lambda: web.Response(text="skills = []", headers={"ETag": '"1"'})
    await fetched(remotes, source)
    site.answer = lambda: web.Response(status=304)

    await until(lambda: bool(remotes.latest(NAME, source)) and len(site.requests) > 2)

    assert site.requests[-1].headers["If-None-Match"] == '"1"'
    known = remotes.latest(NAME, source)
    assert known is not None
    assert (known.data, known.failure) == (b"skills = []", None)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "registry-refused", "config-access-token"),
        (403, "registry-refused", "config-access-token"),
        (404, "not-in-registry", "404"),
        (429, "registry-rate-limited", "429"),
        (500, "registry-unavailable", "500"),
    ],
)
async def test_a_failure_keeps_the_last_good_file(
    site: Site, remotes: Remotes, status: int, kind: str, words: str
) -> None:
    """Whatever it is; and says what to do."""
    source = RemoteNamespace(f"{site.url}?token=hush")
    await fetched(remotes, source)
    site.answer = lambda: web.Response(status=status, headers={"Retry-After": "7"})

    known = await fetched(remotes, source)

    assert known.data == b"skills = []"
    assert known.failure is not None
    assert known.failure.kind == kind
    assert words in known.failure.message
    assert "hush" not in known.failure.message


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("7", 7.0), ("9" * 20, 3600.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0), ("\u00b2", None)],
)
async def test_a_server_may_ask_for_an_hour_at_most(
    site: Site, remotes: Remotes, asked: str, seconds: float | None
) -> None:
    """By a number or a date; nonsense keeps nobody away for ever."""
    site.answer = lambda: web.Response(status=503, headers={"Retry-After": asked})

    known = await fetched(remotes, RemoteNamespace(site.url))

    assert known.failure is not None
    assert known.failure.retry_after == seconds
    assert known.due < time.monotonic() + 2 * 3600


async def test_an_oversized_file_is_refused(site: Site, remotes: Remotes) -> None:
    """It is read no further than the limit."""
    site.answer = lambda: web.Response(body=b"#" * (2 << 20))

    known = await fetched(remotes, RemoteNamespace(site.url))

    assert known.failure is not None
    assert known.failure.kind == "too-large"


async def test_nobody_listening_is_a_failure(remotes: Remotes) -> None:
    """Not an exception."""
    known = await fetched(remotes, RemoteNamespace("http://127.0.0.1:1/n.toml"))

    assert known.failure is not None
    assert known.failure.kind == "registry-unavailable"


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "repeat"),
    [(b"", b""), (b"HTTP/1.1 200", b""), (HEAD, b""), (HEAD, b"1\r\n#\r\n"), (b"", b"X: y\r\n")],
    ids=["silence", "half a line", "no body", "drop by drop", "no HTTP"],
)
async def test_an_answer_that_does_not_end_is_given_up(head: bytes, repeat: bytes) -> None:
    """After the time for all of it, however lively the connection is."""
    stop, gone = asyncio.Event(), asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(head)
            while not stop.is_set():
                writer.write(repeat)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            writer.close()
            gone.set()

    remotes = Remotes(interval=0.0, timeout=0.3)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        known = await fetched(remotes, RemoteNamespace(f"http://{host}:{port}/n.toml"))
        stop.set()
        await gone.wait()
        await remotes.close()

    assert known.failure is not None
    assert known.failure.kind == "registry-unavailable"


def redirect(place: str) -> web.Response:
    """An answer that leads elsewhere."""
    return web.Response(status=302, headers={"Location": place})


async def test_a_redirect_is_followed_without_the_token(site: Site, remotes: Remotes) -> None:
    """The operator gave it for one host only; a circle of redirects has an end."""
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    answers = [web.Response(text="skills = [] # moved"), redirect(elsewhere)]
    site.answer = answers.pop
    source = RemoteNamespace(site.url, token=Secret("hush"))

    assert (await fetched(remotes, source)).data == b"skills = [] # moved"
    first, second = site.requests
    assert first.headers["Authorization"] == "Bearer hush"
    assert "Authorization" not in second.headers

    site.requests.clear()
    site.answer = lambda: redirect(site.url)
    known = await fetched(remotes, source)
    assert known.failure is not None
    assert len(site.requests) < 10

    site.answer = lambda: redirect("file:///etc/passwd")
    known = await fetched(remotes, source)
    assert known.data == b"skills = [] # moved"
    assert known.failure is not None


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(
    site: Site, remotes: Remotes
) -> None:
    """The limit holds for what is read, not for what is sent."""
    bomb = gzip.compress(bytes(64 << 20))
    site.answer = lambda: web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    known = await fetched(remotes, RemoteNamespace(site.url))

    assert known.data is None
    assert known.failure is not None


async def test_a_pipe_at_a_file_url_holds_nobody_up(tmp_path: Path, remotes: Remotes) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "n.toml")

    known = await fetched(remotes, RemoteNamespace(f"file://{tmp_path / 'n.toml'}"))

    assert known.failure is not None
    assert "not a regular file" in known.failure.message


async def test_a_file_url_is_read_again_and_again(tmp_path: Path, remotes: Remotes) -> None:
    """And may vanish."""
    file = tmp_path / "n.toml"
    file.write_text("skills = []")
    source = RemoteNamespace(f"file://{file}")
    assert (await fetched(remotes, source)).data == b"skills = []"

    file.unlink()

    known = await fetched(remotes, source)
    assert known.data == b"skills = []"
    assert known.failure is not None
