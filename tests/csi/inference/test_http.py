import asyncio
import json
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import aiohttp
import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.connections import open_session
from daemon.csi.inference.http import Backend, Bounds, Call, Waits
from daemon.csi.inference.sse import SseEvent
from daemon.errors import DaemonError, ErrorKind
from tests.inference_stub import Fault, StubBackend
from tests.waiting import until

BODY = json.dumps({"model": "stub", "messages": []}).encode()
STREAM = json.dumps({"model": "stub", "messages": [], "stream": True}).encode()
CALL = Call(path="chat/completions", model="stub", caller=csi.Caller(), token="secret", body=BODY)
STREAMED = replace(CALL, body=STREAM)
QUICK = Bounds(backoff=0.001, first_byte=0.5, idle=0.3)

Asks = Callable[[Backend], Awaitable[object]]


async def whole(backend: Backend) -> object:
    """Ask for a whole answer."""
    return await backend.fetch(CALL)


async def pieces(backend: Backend) -> list[SseEvent]:
    """Ask for an answer piece by piece."""
    return [event async for event in backend.events(STREAMED)]


both_ways = pytest.mark.parametrize("ask", [whole, pieces])


async def refusal(asking: Awaitable[object]) -> DaemonError:
    """The error that *asking* ends with."""
    with pytest.raises(DaemonError) as caught:
        await asking
    return caught.value


# What is sent ---------------------------------------------------------------------------------


async def test_a_request_carries_token_trace_and_type(stub: StubBackend, backend: Backend) -> None:
    """And no cookie or other thing of our own."""
    caller = csi.Caller(trace=(("traceparent", "00-1-2-01"), ("tracestate", "a=b")))

    await backend.fetch(replace(CALL, caller=caller))

    sent = stub.seen[0].headers
    assert sent["Authorization"] == "Bearer secret"
    assert sent["Content-Type"] == "application/json"
    assert (sent["traceparent"], sent["tracestate"]) == ("00-1-2-01", "a=b")
    assert "secret" not in repr(CALL)


async def test_without_body_it_is_a_get(stub: StubBackend, backend: Backend) -> None:
    """As for tokenizers."""
    call = Call(path="models/a%2Fb/tokenizer", model="a/b", caller=csi.Caller(), token="secret")

    assert b"WordLevel" in await backend.fetch(call)
    assert "Content-Type" not in stub.seen[0].headers


async def test_a_redirection_is_not_followed(stub: StubBackend, backend: Backend) -> None:
    """The token goes nowhere but to the URL that the operator set."""
    stub.faults.append(Fault(status=307, headers={"Location": f"{stub.url}/completions"}))

    assert (await refusal(backend.fetch(CALL))).kind is ErrorKind.CSI_UPSTREAM
    assert len(stub.seen) == 1


# Connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [whole, pieces])
async def test_an_answer_that_ended_frees_its_connection(
    stub: StubBackend, backend: Backend, ask: Asks
) -> None:
    """The next request uses it again, also after a stream, whose end mark follows `[DONE]`."""
    stub.pace = 0.001  # the end mark comes later than `[DONE]`
    for _ in range(3):
        await ask(backend)

    assert len({seen.peer for seen in stub.seen}) == 1


async def test_a_stream_that_goes_on_after_done_is_left(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """All that was asked for is there: its connection is closed after a moment, without error."""
    stub.faults.append(Fault(events=4, then="drip"))
    stub.replies.append([{"n": 1}, "[DONE]", {"n": 2}, b"data: [DO"])
    backend = Backend(session, stub.url, bounds=Bounds(drain=0.05))

    assert await pieces(backend) == [SseEvent('{"n": 1}')]
    await pieces(backend)
    assert len({seen.peer for seen in stub.seen}) == 2


async def test_a_dropped_stream_closes_its_connection_at_once(
    stub: StubBackend, backend: Backend
) -> None:
    """The backend learns that nobody listens any more."""
    stub.faults.append(Fault(events=1, then="hang"))
    events = backend.events(STREAMED)
    await anext(events)

    await events.aclose()

    async with asyncio.timeout(1):
        await stub.gone.wait()


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (whole, Fault(hang=True)),
        (pieces, Fault(hang=True)),
        (pieces, Fault(events=1, then="hang")),
    ],
)
async def test_a_cancelled_request_closes_its_connection(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks, fault: Fault
) -> None:
    """Before the headers as well as amid a stream."""
    stub.faults.append(fault)
    task = asyncio.ensure_future(ask(Backend(session, stub.url)))
    await until(lambda: stub.waiting == 1)

    task.cancel()

    async with asyncio.timeout(1):
        await stub.gone.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_lost_idle_connection_is_replaced(stub: StubBackend, backend: Backend) -> None:
    """A backend that closes an idle connection just when we use it has not seen the request."""
    await backend.fetch(CALL)
    stub.faults.append(Fault(drop=True))

    await backend.fetch(CALL)

    assert len({seen.peer for seen in stub.seen}) == 2
    assert len(stub.seen) == 3


async def test_a_lost_fresh_connection_is_not_replaced(stub: StubBackend, backend: Backend) -> None:
    """The request itself may be what breaks the backend, so it is not tried on the next."""
    stub.faults.append(Fault(drop=True))

    error = await refusal(backend.fetch(CALL))

    assert "broke before its answer" in error.detail
    assert (error.kind, len(stub.seen)) == (ErrorKind.CSI_UPSTREAM, 1)


# Repeating ------------------------------------------------------------------------------------


class Clock:
    """Sleeps in no time, and remembers for how long."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def patient(session: aiohttp.ClientSession, url: str, clock: Clock, **bounds: float) -> Backend:
    """A backend whose waits can be looked at, without chance."""
    limits = Bounds(**bounds)  # type: ignore[arg-type]
    return Backend(
        session,
        url,
        bounds=limits,
        waits=Waits(sleep=clock.sleep, jitter=lambda: 0.5, wall_clock=lambda: 1_700_000_000.0),
    )


async def test_waits_grow_up_to_a_bound(stub: StubBackend, session: aiohttp.ClientSession) -> None:
    """Half of each wait is left to chance (here: three quarters of 1, 2, 3, 3 seconds)."""
    clock = Clock()
    stub.faults.extend([Fault(status=503)] * 5)

    error = await refusal(
        patient(session, stub.url, clock, backoff=1, longest_backoff=3, attempts=5).fetch(CALL)
    )

    assert clock.slept == [0.75, 1.5, 2.25, 2.25]
    assert error.kind is ErrorKind.CSI_UPSTREAM


@both_ways
@pytest.mark.parametrize("after", ["7", "Tue, 14 Nov 2023 22:13:27 GMT"])
async def test_a_backend_that_names_a_time_gets_it(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks, after: str
) -> None:
    """As a number or a date, and a bit more, lest all come back at once."""
    clock = Clock()
    stub.faults.append(Fault(status=429, headers={"Retry-After": after}))

    await ask(patient(session, stub.url, clock, backoff=1))

    assert clock.slept == [7.5]


@pytest.mark.parametrize(("after", "bounds"), [("61", {}), ("30", {"whole": 20})])
async def test_nobody_waits_longer_than_makes_sense(
    stub: StubBackend, session: aiohttp.ClientSession, after: str, bounds: dict[str, float]
) -> None:
    """Beyond our patience or the request's time the caller is told when to come back."""
    clock = Clock()
    stub.faults.append(Fault(status=429, headers={"Retry-After": after}))

    error = await refusal(patient(session, stub.url, clock, **bounds).fetch(CALL))

    assert (error.kind, error.retry_after) == (ErrorKind.CSI_RATE_LIMITED, float(after))
    assert (clock.slept, len(stub.seen)) == ([], 1)


@both_ways
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=500, body=b"oops"), ErrorKind.CSI_UPSTREAM),
        (Fault(status=400), ErrorKind.CSI_BAD_REQUEST),
        (Fault(status=401), ErrorKind.CSI_UNAUTHORIZED),
        (Fault(status=404), ErrorKind.CSI_NOT_CONFIGURED),
        (
            Fault(status=429, body=b'{"error":{"code":"insufficient_quota"}}'),
            ErrorKind.CSI_RATE_LIMITED,
        ),
    ],
)
async def test_a_refusal_that_will_stay_one_is_not_repeated(
    stub: StubBackend, backend: Backend, ask: Asks, fault: Fault, kind: ErrorKind
) -> None:
    """Neither is a plain 500: something may have been done."""
    stub.faults.append(fault)

    assert (await refusal(ask(backend))).kind is kind
    assert len(stub.seen) == 1


async def test_a_large_refusal_is_read_in_part(stub: StubBackend, backend: Backend) -> None:
    """And shown in an even smaller part."""
    stub.faults.append(Fault(status=400, body=b"x" * (1 << 20)))

    assert len((await refusal(backend.fetch(CALL))).detail) < 1100


# Bounds ---------------------------------------------------------------------------------------


@both_ways
async def test_silence_before_an_answer_ends(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks
) -> None:
    """After `first_byte`, and once: a model that thinks long would think long again."""
    stub.faults.append(Fault(hang=True))

    error = await refusal(ask(Backend(session, stub.url, bounds=Bounds(first_byte=0.05))))

    assert error.detail == "the inference backend did not answer within the time limit"
    assert (error.kind, len(stub.seen)) == (ErrorKind.CSI_TIMEOUT, 1)


async def test_silence_amid_an_answer_ends(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """After `idle`."""
    stub.faults.append(Fault(events=1, then="hang"))

    error = await refusal(pieces(Backend(session, stub.url, bounds=Bounds(idle=0.05))))

    assert (error.kind, len(stub.seen)) == (ErrorKind.CSI_TIMEOUT, 1)
    assert "stopped answering in the middle" in error.detail


async def test_the_first_token_may_take_as_long_as_the_head(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """Some backends send the head at once, and read a long prompt only then."""
    stub.faults.extend([Fault(events=0, then="hang")] * 2)

    thinking = asyncio.ensure_future(
        pieces(Backend(session, stub.url, bounds=Bounds(idle=0.01, first_byte=60)))
    )
    error = await refusal(pieces(Backend(session, stub.url, bounds=Bounds(first_byte=0.3))))

    assert error.kind is ErrorKind.CSI_TIMEOUT
    assert not thinking.done()
    thinking.cancel()


async def test_a_slow_drip_ends(stub: StubBackend, session: aiohttp.ClientSession) -> None:
    """A backend that is never quiet but never done is bounded by `whole`."""
    stub.faults.append(Fault(events=1, then="drip"))

    error = await refusal(pieces(Backend(session, stub.url, bounds=Bounds(idle=5, whole=0.1))))

    assert error.kind is ErrorKind.CSI_TIMEOUT


@both_ways
async def test_the_callers_deadline_ends_it_all(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks
) -> None:
    """Though the bounds would allow more."""
    stub.faults.append(Fault(hang=True))
    soon = csi.Caller(deadline=asyncio.get_running_loop().time() + 0.05)
    backend = Backend(session, stub.url)
    call = replace(STREAMED if ask is pieces else CALL, caller=soon)

    error = await refusal(
        anext(backend.events(call)) if ask is pieces else backend.fetch(call)
    )  # fmt: skip

    assert error.kind is ErrorKind.CSI_TIMEOUT


async def test_no_wait_goes_beyond_the_callers_deadline(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """A refusal that could be repeated is told while there is time to tell it."""
    stub.faults.append(Fault(status=503))
    soon = csi.Caller(deadline=asyncio.get_running_loop().time() + 5)
    clock = Clock()

    error = await refusal(
        patient(session, stub.url, clock, backoff=10).fetch(replace(CALL, caller=soon))
    )

    assert (error.kind, clock.slept) == (ErrorKind.CSI_UPSTREAM, [])


@both_ways
async def test_an_answer_is_bounded_in_size(
    stub: StubBackend, session: aiohttp.ClientSession, ask: Asks
) -> None:
    """A backend that never stops fills no memory."""
    stub.replies.append(["x" * 100] * 100 if ask is pieces else {"x": "x" * 10_000})

    error = await refusal(ask(Backend(session, stub.url, bounds=Bounds(answer=5_000))))

    assert "larger than 5000 bytes" in error.detail


async def test_an_event_is_bounded_in_size(
    stub: StubBackend, session: aiohttp.ClientSession
) -> None:
    """Well before the whole answer is."""
    stub.replies.append(["x" * 1000])

    error = await refusal(pieces(Backend(session, stub.url, bounds=Bounds(event=100))))

    assert (error.kind, "larger than 100 bytes" in error.detail) == (ErrorKind.CSI_UPSTREAM, True)


async def test_a_backend_that_takes_no_connection_is_given_up(
    session: aiohttp.ClientSession,
) -> None:
    """After `connect`, some attempts long, for nothing was sent."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in (first, second):  # they fill the queue that nobody looks after
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        clock = Clock()

        error = await refusal(patient(session, url, clock, connect=0.05, attempts=2).fetch(CALL))

    assert error.detail == "the inference backend can't be reached within the time limit"
    assert (error.kind, len(clock.slept)) == (ErrorKind.CSI_TIMEOUT, 1)


# Streams --------------------------------------------------------------------------------------


async def test_a_stream_that_breaks_is_told_after_what_came(
    stub: StubBackend, backend: Backend
) -> None:
    """What was received is passed on; nothing is asked twice."""
    stub.faults.append(Fault(events=1, then="cut"))
    events = backend.events(STREAMED)

    await anext(events)
    error = await refusal(anext(events))

    assert error.detail.endswith("broke in the middle of its answer")
    assert len(stub.seen) == 1


async def test_events_may_be_cut_anywhere(stub: StubBackend, backend: Backend) -> None:
    """Networks know no events."""
    stub.step = 1
    stub.replies.append([{"a": "ü"}, b": comment\n\n", b"event: x\r\ndata: 1\r\ndata: 2\r\n\r\n"])

    assert await pieces(backend) == [SseEvent('{"a": "ü"}'), SseEvent("1\n2", "x")]


async def test_an_error_event_ends_the_stream_with_its_kind(
    stub: StubBackend, backend: Backend
) -> None:
    """Also where the event's name is all that tells it from others."""
    text = b'event: error\ndata: {"code": 429, "details": "not so fast, secret"}\n\n'
    stub.replies.append([text, "[DONE]"])

    error = await refusal(pieces(backend))

    assert error.kind is ErrorKind.CSI_RATE_LIMITED
    assert error.detail.endswith(": not so fast, ********")


async def test_json_in_place_of_a_stream_is_an_error(stub: StubBackend, backend: Backend) -> None:
    """Some backends tell errors that way, with status 200."""
    long = b"x" * 50_000  # arrives in several pieces
    stub.faults.append(Fault(body=b'{"error": {"message": "%b", "code": 404}}' % long))

    assert (await refusal(pieces(backend))).kind is ErrorKind.CSI_UNKNOWN_MODEL


# Many at once ---------------------------------------------------------------------------------


async def test_300_at_once_share_ten_connections(stub: StubBackend) -> None:
    """Those in the queue get their turn, though others break, are refused or give up meanwhile."""
    stub.faults.extend([Fault(status=500), Fault(drop=True), Fault(events=1, then="cut")] * 10)
    async with open_session(connections=10) as session:
        backend = Backend(session, stub.url, bounds=Bounds(backoff=0.001))
        tasks = [asyncio.ensure_future(ask(backend)) for ask in (whole, pieces) * 150]
        await until(lambda: len(stub.seen) > 20)
        for task in tasks[100:150]:
            task.cancel()

        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    kinds = {type(it) for it in outcomes if isinstance(it, BaseException)}
    assert kinds <= {DaemonError, asyncio.CancelledError}
    assert sum(not isinstance(it, BaseException) for it in outcomes) >= 300 - 30 - 50
    assert len({seen.peer for seen in stub.seen}) < 80


async def test_a_full_pool_is_told_from_a_slow_backend(stub: StubBackend) -> None:
    """The operator has to look at another place then."""
    stub.faults.append(Fault(hang=True))
    async with open_session(connections=1) as session:
        first = asyncio.ensure_future(Backend(session, stub.url).fetch(CALL))
        await until(lambda: stub.waiting == 1)

        error = await refusal(
            Backend(session, stub.url, bounds=Bounds(first_byte=0.05)).fetch(CALL)
        )
        first.cancel()
        await asyncio.wait([first])

    assert "has no free connection" in error.detail


@pytest.fixture
def _many_files() -> Iterator[None]:
    """Both ends of 1000 connections are in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(4096, before[1])), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_many_files")
async def test_1000_wait_at_once(stub: StubBackend, session: aiohttp.ClientSession) -> None:
    """All are under way at the same time, and all are answered."""
    stub.held = asyncio.Event()
    backend = Backend(session, stub.url)
    tasks = [asyncio.ensure_future(backend.fetch(CALL)) for _ in range(1000)]
    await until(lambda: stub.waiting == 1000)

    stub.held.set()

    async with asyncio.timeout(20):
        answers = await asyncio.gather(*tasks)
    assert len(answers) == 1000
