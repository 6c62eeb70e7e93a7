"""
What a Skill without a component looks like to those who call it.

Leaves out who is asked when (`invoke`).
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from daemon.csi.interface import Caller
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, SkillMetadata, StreamEvent


class Builtin(Protocol):
    """A Skill that runs in the parent. All of them stream, and do nothing else."""

    @property
    def version(self) -> str | None:
        """The version that its metadata shows."""
        ...

    def metadata(self) -> SkillMetadata:
        """What it says of itself. Raises DaemonError where it can't."""
        ...

    def not_a_function(self) -> DaemonError:
        """Return the error for those who call it as one."""
        ...

    def stream(self, body: bytes, caller: Caller) -> AsyncGenerator[StreamEvent, None]:
        """Answer with events. Raises DaemonError; closing it ends all below."""
        ...


def is_stream(path: SkillPath) -> DaemonError:
    """A stream was called as a function."""
    return DaemonError(
        ErrorKind.SKILL_IS_STREAM,
        f"The Skill {path} streams its answer. Use the /message-stream endpoint: "
        f"POST /v1/skills/{path}/message-stream",
    )


def reported(message: str) -> DaemonError:
    """An error that the Skill itself reports; said as `engine/execute` says it."""
    return DaemonError(
        ErrorKind.SKILL_FAILED,
        "The Skill answered with an error. Check your input, or contact the developer of the "
        f"Skill. Error reported by Skill:\n\n{message}",
    )


def refused(message: str) -> DaemonError:
    """The Skill does not take this input."""
    return DaemonError(
        ErrorKind.INVALID_INPUT,
        f"The Skill could not make sense of its input. Error reported by Skill:\n\n{message}",
    )


def one_message(*pieces: str) -> tuple[StreamEvent, ...]:
    """A message of these pieces, with no payload."""
    return (MessageBegin(), *(MessageAppend(piece) for piece in pieces), MessageEnd())
