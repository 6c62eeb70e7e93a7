import asyncio
import logging
import threading

import pytest

from daemon.tasks import Tasks, to_the_end


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


async def test_a_fatal_task_needs_somebody_to_tell() -> None:
    """Otherwise the process would go on half dead."""
    tasks = Tasks()
    with pytest.raises(ValueError, match="'beat' is fatal, but nobody would hear of it"):
        tasks.spawn(asyncio.Event().wait(), name="beat", fatal=True)
    assert len(tasks) == 0


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


async def test_a_thread_is_waited_for_though_its_caller_is_cancelled() -> None:
    """So its effect can be undone afterwards."""
    began, go, effects = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        began.set()
        go.wait()
        effects.append("done")

    task = asyncio.ensure_future(to_the_end(work))
    await asyncio.to_thread(began.wait)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    await asyncio.wait([task])

    assert task.cancelled()
    assert effects == ["done"]


async def test_a_thread_returns_or_raises_to_its_caller() -> None:
    """As it would without."""
    assert await to_the_end(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await to_the_end(lambda: 1 // 0)
