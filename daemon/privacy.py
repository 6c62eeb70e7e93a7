"""
Closes a process to all others of its user: its memory, its environment, its descriptors.

Where a guest breaks out of a worker, `/proc` would otherwise show it the secrets of the parent,
and have it write to processes that are less confined. Root with all capabilities sees through it.
Leaves out what a process itself may do (`workers/confinement`).
"""

import ctypes

_PR_SET_DUMPABLE = 4


def keep_private() -> None:
    """Refuse others in `/proc` and `ptrace`, and dump no core. A program it starts begins anew."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl refused to close this process to others")
