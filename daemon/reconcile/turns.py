"""
Long rows of short steps, in portions: between two of them, calls are answered.

An edit may concern thousands of Skills at once. Leaves out the steps.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from typing import TypeVar

T = TypeVar("T")


async def in_turns(items: Iterable[T], *, portion: float = 0.005) -> AsyncGenerator[T, None]:
    """Yield all *items*, and the event loop every *portion* seconds; with 0 after each."""
    until = time.monotonic() + portion
    for item in items:
        if time.monotonic() >= until:
            await asyncio.sleep(0)
            until = time.monotonic() + portion
        yield item
