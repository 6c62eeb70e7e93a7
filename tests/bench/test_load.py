"""The load generator counts what it got: a benchmark that errs here would flatter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bench import load


@asynccontextmanager
async def _answering(*statuses: int) -> AsyncIterator[tuple[tuple[str, int], list[bytes]]]:
    """Serve these statuses in turn; yield the address and the bodies that came."""
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        status = statuses[(len(bodies) - 1) % len(statuses)]
        if not status:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 200, body=b"x" * 100_000)

    app = web.Application()
    app.router.add_post("/run", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0], bodies
    finally:
        await runner.cleanup()


async def test_each_connection_sends_as_often_as_it_is_told() -> None:
    """And each answer has its latency."""
    async with _answering(200) as (address, bodies):
        result = await load.send(
            address, load.post("/run", b'"hi"'), connections=3, seconds=60, count=4
        )

    assert bodies == [b'"hi"'] * 12
    assert len(result.latencies) == 12
    assert result.failures == []
    assert 0 < result.percentile(0.5) <= result.percentile(1.0) <= result.seconds
    assert result.rate == pytest.approx(12 / result.seconds)


async def test_what_is_not_200_is_a_failure() -> None:
    """It counts for no rate."""
    async with _answering(200, 503) as (address, _):
        result = await load.send(
            address, load.post("/run", b"1"), connections=1, seconds=60, count=4
        )

    assert result.failures == [503, 503]
    assert len(result.latencies) == 2


async def test_a_connection_that_breaks_is_a_failure() -> None:
    """Its other requests are not sent."""
    async with _answering(200, 0) as (address, bodies):
        result = await load.send(
            address, load.post("/run", b"1"), connections=1, seconds=60, count=4
        )

    assert result.failures == [0]
    assert len(bodies) == 2


async def test_time_ends_it_too() -> None:
    """No request is begun after the deadline."""
    async with _answering(200) as (address, bodies):
        result = await load.send(address, load.post("/run", b"1"), connections=2, seconds=0.0)

    assert bodies == []
    assert result.rate == 0.0
