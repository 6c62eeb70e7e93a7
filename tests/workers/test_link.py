"""Whole frames over a socket, whatever it does to them on the way."""

import socket
import threading

import pytest

from daemon.workers import messages
from daemon.workers.link import Link


def test_frames_arrive_whole_though_sent_in_pieces() -> None:
    """A socket knows no frames."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frame = messages.encode(messages.Cancel(7))
        thread = threading.Thread(
            target=lambda: [ours.sendall(frame[i : i + 1]) for i in range(len(frame))]
        )
        thread.start()

        assert Link(theirs).receive() == messages.Cancel(7)
        thread.join()


def test_the_parents_end_is_told_by_none() -> None:
    """Between frames or within one."""
    for rest in (b"", b"\0\0", b"\0\0\0\x09abc"):
        ours, theirs = socket.socketpair()
        with theirs:
            with ours:
                ours.sendall(rest)
            assert Link(theirs).receive() is None


def test_an_endless_frame_is_refused() -> None:
    """Before any memory is taken for it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"\xff\xff\xff\xff")
        with pytest.raises(OverflowError):
            Link(theirs).receive()


def test_threads_send_without_mixing_frames() -> None:
    """Each frame is sent as one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(theirs)
        big = messages.Done(1, output=b"x" * 300_000)
        threads = [threading.Thread(target=link.send, args=(big,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            size = int.from_bytes(ours.recv(4, socket.MSG_WAITALL), "big")
            assert messages.decode_from_worker(ours.recv(size, socket.MSG_WAITALL)) == big
        for thread in threads:
            thread.join()
