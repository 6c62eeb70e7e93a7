"""Which workers have which artifacts, with real processes."""

import asyncio

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Failure
from daemon.workers.loads import error_of
from daemon.workers.supervisor import Supervisor
from tests.waiting import until
from tests.workers.scripts import artifact, call, supervisor


async def _answering(made: Supervisor, *, of: str) -> set[bytes]:
    """Which processes answer calls of this artifact."""
    return set(await asyncio.gather(*(made.run(call("pid", of=of)) for _ in range(4))))


async def _lose_a_worker(made: Supervisor) -> None:
    with pytest.raises(DaemonError, match="exited with status 3"):
        await made.run(call("host-exit"))
    await until(lambda: made.stats.workers_up == made.stats.workers_wanted)


async def test_load_that_was_refused_for_now_is_tried_again() -> None:
    """There was no thread for it; later there is."""
    async with supervisor(workers=2, ping_interval=0.02) as made:
        with pytest.raises(DaemonError, match="no more threads") as caught:
            await made.load(artifact("crowded"), describe=False)
        assert (caught.value.kind, caught.value.retry_after) == (ErrorKind.OVERLOADED, 1.0)

        await made.load(artifact("crowded"), describe=False)
        while len(await _answering(made, of="crowded")) < 2:
            pass


async def test_replacement_that_is_refused_a_load_takes_other_calls_and_tries_again() -> None:
    """What it can't do yet is done by the others, or waits."""
    async with supervisor(ping_interval=0.02) as made:
        with pytest.raises(DaemonError):
            await made.load(artifact("crowded"), describe=False)
        await made.load(artifact("crowded"), describe=False)

        await _lose_a_worker(made)

        await made.run(call())
        await made.run(call(of="crowded"))


async def test_replacement_loads_many_artifacts_under_a_limit_of_each() -> None:
    """All of them together take longer than that limit."""
    names = [f"brief-{number}" for number in range(500)]
    async with supervisor(load=0.5) as made:
        for name in names:
            await made.load(artifact(name), describe=False)

        await _lose_a_worker(made)

        assert await made.run(call(of=names[-1]))
        assert made.stats.restarts == {"crashed": 1}


def test_unknown_kinds_from_a_worker_are_internal_errors() -> None:
    """They can't be anybody's fault but ours."""
    known = error_of(Failure("missing-import", "wasi:http", 1.0))
    assert (known.kind, known.detail, known.retry_after) == (
        ErrorKind.MISSING_IMPORT,
        "wasi:http",
        1.0,
    )
    assert error_of(Failure("brand-new", "?")).kind is ErrorKind.INTERNAL
