"""What Skills without a component have in common."""

from daemon.builtin.skill import is_stream, one_message, refused, reported
from daemon.errors import ErrorKind
from daemon.names import SkillPath
from daemon.skill import MessageAppend, MessageBegin, MessageEnd


def test_errors_say_whose_they_are() -> None:
    """In the words that clients know from other Skills."""
    assert reported("no").kind is ErrorKind.SKILL_FAILED
    assert refused("no").kind is ErrorKind.INVALID_INPUT
    assert reported("no").detail.endswith("Error reported by Skill:\n\nno")
    assert is_stream(SkillPath.parse("a", "b")).detail.endswith("/v1/skills/a/b/message-stream")


def test_message_is_begun_and_ended() -> None:
    """Whatever it says."""
    assert one_message() == (MessageBegin(), MessageEnd())
    assert one_message("a") == (MessageBegin(), MessageAppend("a"), MessageEnd())
