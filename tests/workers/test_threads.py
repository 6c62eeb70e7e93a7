"""Threads are used again, and never waited for."""

import threading
import time
from functools import partial
from queue import SimpleQueue
from typing import Any

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


def test_a_system_without_threads_is_told_of_not_met_with_a_crash() -> None:
    """There is no room for a stack of 64 TiB."""
    before, threads = threading.stack_size(), Threads()
    try:
        threading.stack_size(1 << 46)
        assert not threads.run(lambda: None)
    finally:
        threading.stack_size(before)


def test_it_is_busy_until_the_last_job_has_ended() -> None:
    """What a job frees at its end is free only then."""
    before, threads, began = threading.stack_size(), Threads(), threading.Event()
    end = threading.Event()
    try:
        assert not threads.busy
        threads.run(lambda: (began.set(), end.wait(10))[0])
        began.wait(10)
        assert threads.busy

        end.set()
        deadline = time.monotonic() + 10
        while threads.busy:
            assert time.monotonic() < deadline
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


def test_an_idle_thread_ends_after_a_while() -> None:
    """A thousand calls that waited at a time must not leave a thousand stacks; others are made."""
    before, threads, made = threading.stack_size(), Threads(keep=0.01), SimpleQueue[Any]()
    try:
        threads.run(lambda: made.put(threading.current_thread()))
        first = made.get(timeout=10)
        first.join(10)
        assert not first.is_alive()

        threads.run(lambda: made.put("another"))
        assert made.get(timeout=10) == "another"
    finally:
        threading.stack_size(before)


def test_no_job_is_lost_to_a_thread_that_is_about_to_end() -> None:
    """Whoever is quicker."""
    before, threads, done = threading.stack_size(), Threads(keep=0.0), SimpleQueue[int]()
    try:
        for number in range(2000):
            threads.run(partial(done.put, number))

        assert sorted(done.get(timeout=10) for _ in range(2000)) == list(range(2000))
    finally:
        threading.stack_size(before)
