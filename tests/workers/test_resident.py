"""Memory that is a process's own: each test has a new one, where nothing was freed before."""

import subprocess
import sys

_COUNT = """
from daemon.workers.resident import resident
before = resident()
block = bytearray(64 << 20)
print(before, resident())
"""

_GIVE_BACK = """
from daemon.workers.resident import Ebb, resident
ebb = Ebb(slack=16 << 20)
blocks = [bytearray([number & 0xFF]) * 4096 for number in range(16 << 10)]
last = bytearray(4096)  # lies above them: the allocator keeps what is below
del blocks
kept = resident()
ebb.settle()
print(kept, resident())
"""


def _printed(script: str) -> list[int]:
    process = subprocess.run(
        [sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True
    )
    return [int(word) for word in process.stdout.split()]


def test_memory_counts_once_it_is_touched() -> None:
    """Within the kernel's own precision."""
    before, after = _printed(_COUNT)

    assert after - before > 48 << 20


def test_what_was_freed_is_given_back_once_it_is_much() -> None:
    """Else it would stay for ever; also where the process had no rest before."""
    kept, left = _printed(_GIVE_BACK)

    assert left < kept - (32 << 20)
