"""Frames survive the wire, and what is not a frame is refused."""

import msgspec
import pytest

from daemon.csi import interface as csi
from daemon.skill import Failure, MessageAppend, MessageEnd, SkillMetadata, ToolFailed
from daemon.workers import messages as m

TO_WORKER: list[m.ToWorker] = [
    m.Load("a", "0.3.11", "function", "/c", [("shared", "/s")], strings=True, describe=True),
    m.Unload("a"),
    m.Run(1, "a", b"\x00\xff", timeout=1.5, memory=1 << 40, output=5, credit=3),
    m.Cancel(1),
    m.Credit(1, 16),
    m.Answer(1, 2, csi.ToolResults([csi.ToolOutput(["x"]), csi.ToolError("no")])),
    m.Answer(1, 2, failure=Failure("csi-timeout", "late", 2.0)),
    m.Answer(1, 3, csi.StreamNext(csi.Append("x", [csi.Distribution(csi.Logprob(b"\xff", -1))]))),
    m.Warm("a", 2),
    m.Ping(),
    m.Drain(),
]

FROM_WORKER: list[m.FromWorker] = [
    m.Hello(m.PROTOCOL),
    m.Loaded("a", metadata=SkillMetadata("d", {"type": "object"}, True)),
    m.Loaded("a", failure=Failure("missing-import", "wasi:http")),
    m.Event(1, MessageAppend("ä")),
    m.Event(1, MessageEnd(b"null")),
    m.Event(1, ToolFailed("add", "no")),
    m.HostCall(1, 1, csi.Chat([csi.ChatRequest("m", [csi.OtherMessage("user", "hi")])])),
    m.HostCall(1, 2, csi.ListTools()),
    m.Done(1, b"{}", cpu=0.1, warm=True),
    m.Pong(1, 1 << 30),
]


@pytest.mark.parametrize("frame", TO_WORKER, ids=lambda frame: type(frame).__name__)
def test_frames_to_a_worker_survive(frame: m.ToWorker) -> None:
    """The length in front is that of the body."""
    wire = m.encode(frame)
    assert int.from_bytes(wire[: m.HEADER_BYTES], "big") == len(wire) - m.HEADER_BYTES
    assert m.decode_to_worker(wire[m.HEADER_BYTES :]) == frame


@pytest.mark.parametrize("frame", FROM_WORKER, ids=lambda frame: type(frame).__name__)
def test_frames_from_a_worker_survive(frame: m.FromWorker) -> None:
    """From any kind of buffer."""
    assert m.decode_from_worker(memoryview(m.encode(frame))[m.HEADER_BYTES :]) == frame


@pytest.mark.parametrize("body", [b"", b"abc", b"\xc1", m.encode(m.Drain())[4:]])
def test_what_is_no_frame_of_a_worker_is_refused(body: bytes) -> None:
    """Garbage as well as a frame that only the parent may send."""
    with pytest.raises(msgspec.DecodeError):
        m.decode_from_worker(body)


def test_frames_have_a_cap() -> None:
    """Both sides keep to it, so that nobody allocates what the other merely announced."""
    with pytest.raises(OverflowError, match=str(m.MAX_FRAME)):
        m.encode(m.Done(1, bytes(m.MAX_FRAME)))
