"""Computations that nobody can stop."""

import asyncio
import subprocess
import sys
import threading

import pytest

from daemon.csi.threads import Threads
from tests.waiting import until


async def test_results_and_errors_come_back() -> None:
    """To whoever waits."""
    threads = Threads("test")

    assert await threads.run(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)


async def test_as_many_as_are_allowed_run_at_a_time() -> None:
    """Also where nobody waits for them any more."""
    threads, release = Threads("test", most=2), threading.Event()
    began: list[int] = []

    def compute(number: int) -> bool:
        began.append(number)
        return release.wait(30)

    running = [asyncio.ensure_future(threads.run(lambda n=n: compute(n))) for n in range(4)]
    await until(lambda: len(began) == 2)
    running[0].cancel()
    await asyncio.wait([running[0]])
    assert await asyncio.to_thread(lambda: began) == [0, 1]
    release.set()

    assert await asyncio.gather(*running[1:]) == [True] * 3


async def test_other_work_finds_a_thread_meanwhile() -> None:
    """Git is read and tools are called, however many texts are computed on."""
    threads, release = Threads("test", most=100), threading.Event()
    running = [asyncio.ensure_future(threads.run(lambda: release.wait(30))) for _ in range(100)]
    await asyncio.sleep(0)

    assert await asyncio.to_thread(lambda: "free") == "free"

    release.set()
    await asyncio.gather(*running)


@pytest.mark.timeout(20)
def test_a_process_ends_in_spite_of_them() -> None:
    """A shutdown has a deadline."""
    program = (
        "import asyncio, threading, time\n"
        "from daemon.csi.threads import Threads\n"
        "async def main():\n"
        "    begun = threading.Event()\n"
        "    work = Threads('test').run(lambda: begun.set() or time.sleep(60))\n"
        "    task = asyncio.ensure_future(work)\n"
        "    assert await asyncio.to_thread(begun.wait, 10) and not task.done()\n"
        "asyncio.run(main())\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
