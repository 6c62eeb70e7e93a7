"""
Secrets that don't show up in logs, and that are read when they are used.

A mounted secret is rotated by replacing its file, so a file is read again at each use. Leaves out
where a secret is sent.
"""

from dataclasses import dataclass, field
from pathlib import Path

from daemon.errors import DaemonError, ErrorKind


@dataclass(frozen=True, slots=True)
class Secret:
    """A value, or the file that holds it; a file wins."""

    value: str = field(default="", repr=False)
    file: Path | None = None

    def reveal(self) -> str:
        """Return the secret without surrounding white space. Raises DaemonError(CONFIGURATION)."""
        if self.file is None:
            return self.value
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise DaemonError(
                ErrorKind.CONFIGURATION, f"the secret in {self.file} can't be read: {reason}"
            ) from error

    def __bool__(self) -> bool:
        return bool(self.value or self.file)

    def __str__(self) -> str:
        return f"(from {self.file})" if self.file else "********" if self.value else ""
