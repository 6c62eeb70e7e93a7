"""How much memory this process has for itself, and giving back what it no longer needs."""

import ctypes
from pathlib import Path

_STATM = Path("/proc/self/statm")
_PAGE = 4096


def resident() -> int:
    """Return the bytes of resident memory that are not shared with a file; 0 where unknown."""
    try:
        fields = _STATM.read_bytes().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE


class Ebb:
    """
    Gives memory back after a crowd of calls: glibc keeps what was freed, 0.6 MB of each call.

    Owned by the worker. Takes some ms, so it is done only once *slack* bytes came together.
    """

    def __init__(self, *, slack: int = 16 << 20) -> None:
        self._slack = slack
        self._low = resident()  # before any guest: some rest after a first crowd only
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, nor needs it

    def settle(self) -> None:
        """To be called while no guest is there, again and again."""
        now = resident()
        if now < self._low:
            self._low = now
        elif now > self._low + self._slack and self._trim is not None:
            self._trim(0)
            self._low = resident()
