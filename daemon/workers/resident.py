"""How much memory this process has for itself."""

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
