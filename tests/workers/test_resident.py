"""Memory that is this process's own."""

from daemon.workers.resident import Ebb, resident


def test_memory_counts_once_it_is_touched() -> None:
    """Within the kernel's own precision."""
    before = resident()
    block = bytearray(64 << 20)

    assert resident() - before > 48 << 20
    del block


def test_what_was_freed_is_given_back_once_it_is_much() -> None:
    """The allocator keeps small blocks, since something above them is still in use."""
    ebb = Ebb(slack=16 << 20)
    ebb.settle()
    blocks = [bytearray([number & 0xFF]) * 4096 for number in range(16 << 10)]
    last = bytearray(4096)
    high = resident()
    del blocks

    ebb.settle()

    assert resident() < high - (32 << 20)
    assert last
