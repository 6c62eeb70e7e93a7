"""What the parent knows of one worker."""

import asyncio

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.workers.member import Worker


def test_calls_that_were_abandoned_long_ago_are_stuck() -> None:
    """Others may end any moment."""
    worker = Worker(1, abandoned={1: 10.0, 2: 19.0})

    assert worker.stuck(since=10.0) == 0
    assert worker.stuck(since=15.0) == 1


async def test_who_waits_for_a_load_hears_of_the_workers_end() -> None:
    """Who has been told before is not told again."""
    loop = asyncio.get_running_loop()
    done, waiting = loop.create_future(), loop.create_future()
    done.set_result(None)
    worker = Worker(1, loads={"done": done, "waiting": waiting}, ready=True)

    worker.bury()

    assert (worker.alive, worker.ready) == (False, False)
    with pytest.raises(DaemonError) as caught:
        await waiting
    assert caught.value.kind is ErrorKind.WORKER_LOST
