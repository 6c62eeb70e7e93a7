"""Waiting for what happens elsewhere, without knowing how long it takes."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; the test's time limit is the limit."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


def unexpected(error: BaseException) -> None:
    """Take no failure of a fatal task: here, none should fail."""
    raise AssertionError("a fatal task failed") from error
