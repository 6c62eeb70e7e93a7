"""`test-beta/saboteur`: fails, to try a client's handling of errors on."""

from collections.abc import AsyncGenerator

from daemon.builtin.skill import is_stream, reported
from daemon.csi.interface import Caller
from daemon.errors import DaemonError
from daemon.names import SkillPath
from daemon.skill import SkillMetadata, StreamEvent


class Saboteur:
    """Reports an error instead of a message."""

    version = None

    def __init__(self, path: SkillPath) -> None:
        self._path = path

    def metadata(self) -> SkillMetadata:
        """See `Builtin`."""
        return SkillMetadata()

    def not_a_function(self) -> DaemonError:
        """See `Builtin`."""
        return is_stream(self._path)

    async def stream(self, body: bytes, caller: Caller) -> AsyncGenerator[StreamEvent, None]:
        """See `Builtin`."""
        raise reported("Skill is a saboteur")
        yield  # makes it a generator
