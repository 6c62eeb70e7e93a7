"""Threads are used again, and never waited for."""

import threading
from queue import SimpleQueue

from daemon.workers.threads import STACK, Threads


def test_jobs_run_at_once_each_on_a_thread_of_its_own() -> None:
    """One that waits keeps nobody from running."""
    before, threads, done = threading.stack_size(), Threads(), SimpleQueue[str]()
    try:
        waiting = threading.Event()
        threads.run(lambda: (waiting.wait(10), done.put("first"))[0])  # type: ignore[func-returns-value]
        threads.run(lambda: done.put("second"))

        assert done.get(timeout=10) == "second"
        waiting.set()
        assert done.get(timeout=10) == "first"
        assert threading.stack_size() == STACK >= 1 << 20
    finally:
        threading.stack_size(before)


def test_an_idle_thread_is_used_again() -> None:
    """Making one costs more than a small Skill."""
    before, threads, names = threading.stack_size(), Threads(), SimpleQueue[int]()
    try:
        threads.run(lambda: names.put(threading.get_ident()))
        first = names.get(timeout=10)
        while not threads._idle:
            pass
        threads.run(lambda: names.put(threading.get_ident()))

        assert names.get(timeout=10) == first
    finally:
        threading.stack_size(before)
