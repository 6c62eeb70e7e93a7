"""Memory that is this process's own."""

from daemon.workers.resident import resident


def test_memory_counts_once_it_is_touched() -> None:
    """Within the kernel's own precision."""
    before = resident()
    block = bytearray(64 << 20)

    assert resident() - before > 48 << 20
    del block
