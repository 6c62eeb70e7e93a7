import asyncio
import logging

import pytest

from daemon.tasks import Tasks


async def test_a_failed_task_is_logged_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """Its exception is never lost."""
    tasks = Tasks()

    async def fail() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait([tasks.spawn(fail(), name="failing")])

    assert "background task 'failing' failed" in caplog.text
    assert len(tasks) == 0


async def test_the_failure_of_a_fatal_task_is_told() -> None:
    """The owner ends the process."""
    told: list[BaseException] = []
    tasks = Tasks(on_fatal=told.append)

    async def fail() -> None:
        raise ValueError("broken")

    await asyncio.wait([tasks.spawn(fail(), name="failing", fatal=True)])

    assert [str(error) for error in told] == ["broken"]


async def test_close_cancels_and_waits() -> None:
    """Nothing runs on after its owner."""
    tasks = Tasks()
    ended = asyncio.Event()
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks.spawn(wait(), name="waiting")
    await started.wait()
    await tasks.close()

    assert ended.is_set()
