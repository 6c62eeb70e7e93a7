"""`test-beta/hello`: a stream with nothing to configure, to try a client on."""

from collections.abc import AsyncGenerator

from daemon.builtin.skill import one_message, reported
from daemon.csi.interface import Caller
from daemon.errors import DaemonError
from daemon.skill import SkillMetadata, StreamEvent


class Hello:
    """Says "Hello", letter by letter."""

    version = None

    def metadata(self) -> SkillMetadata:
        """See `Builtin`."""
        return SkillMetadata()

    def not_a_function(self) -> DaemonError:
        """See `Builtin`."""
        return reported("I am a dummy Skill, only my stream says something")

    async def stream(self, body: bytes, caller: Caller) -> AsyncGenerator[StreamEvent, None]:
        """See `Builtin`."""
        for event in one_message(*"Hello"):
            yield event
