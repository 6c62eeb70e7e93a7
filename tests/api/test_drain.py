import asyncio

from daemon.api.drain import Drain, shutting_down
from daemon.errors import ErrorKind


async def test_nothing_in_flight_ends_at_once() -> None:
    """The grace is a maximum."""
    drain = Drain()

    await asyncio.wait_for(drain.finish(grace=3600), 5)

    assert drain.closing
    assert drain.expired


async def test_requests_that_start_while_draining_are_waited_for() -> None:
    """They came over connections that were open already."""
    drain = Drain()
    go = asyncio.Event()
    second_started = asyncio.Event()

    async def request() -> None:
        await go.wait()

    async def first() -> None:
        drain.in_flight.add(second)
        second_started.set()

    second = asyncio.ensure_future(request())
    opening = asyncio.ensure_future(first())
    drain.in_flight.add(opening)
    opening.add_done_callback(drain.in_flight.discard)
    second.add_done_callback(drain.in_flight.discard)

    finish = asyncio.ensure_future(drain.finish(grace=3600))
    await second_started.wait()
    assert not finish.done()
    go.set()

    await asyncio.wait_for(finish, 5)
    assert not second.cancelled()


async def test_the_deadline_cancels_what_is_left() -> None:
    """`expired` is set before, so that the request can say why."""
    drain = Drain()
    told: list[bool] = []

    async def request() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(drain.expired)

    task = asyncio.ensure_future(request())
    drain.in_flight.add(task)
    task.add_done_callback(drain.in_flight.discard)

    await drain.finish(grace=0.01)

    assert told == [True]
    assert not drain.in_flight


async def test_hurrying_needs_no_deadline() -> None:
    """Also when it was asked for before."""
    drain = Drain()
    stuck = asyncio.ensure_future(asyncio.Event().wait())
    drain.in_flight.add(stuck)
    stuck.add_done_callback(drain.in_flight.discard)

    drain.hurry()
    await asyncio.wait_for(drain.finish(grace=3600), 5)

    assert stuck.cancelled()


def test_the_text_asks_to_try_again() -> None:
    """Another replica may answer."""
    error = shutting_down()
    assert error.kind is ErrorKind.SHUTTING_DOWN
    assert "again" in error.detail
