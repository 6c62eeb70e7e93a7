"""`test-beta/hello`."""

from daemon.builtin.hello import Hello
from daemon.csi import interface as csi
from daemon.skill import MessageAppend, MessageBegin, MessageEnd


async def test_hello_says_hello_letter_by_letter() -> None:
    """With no payload."""
    letters = [MessageAppend(letter) for letter in "Hello"]
    assert [event async for event in Hello().stream(b"null", csi.Caller())] == [
        MessageBegin(),
        *letters,
        MessageEnd(),
    ]
