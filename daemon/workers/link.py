"""
A worker's end of the socket: whole frames in and out, from any thread.

Leaves out what they say (`messages`).
"""

import socket
import threading
from collections.abc import Callable

from daemon.workers import messages

Send = Callable[[messages.FromWorker], None]


class Link:
    """Owns the socket. One thread receives; any may send, and waits while the parent is slow."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()
        self._header = bytearray(messages.HEADER_BYTES)

    def send(self, message: messages.FromWorker) -> None:
        """Send one frame. Raises OverflowError above the cap, OSError if the parent is gone."""
        frame = messages.encode(message)
        with self._sending:
            self._socket.sendall(frame)

    def receive(self) -> messages.ToWorker | None:
        """Wait for the next message; None when the parent is gone."""
        if not self._fill(memoryview(self._header)):
            return None
        size = int.from_bytes(self._header, "big")
        if size > messages.MAX_FRAME:
            raise OverflowError(f"a frame of {size} bytes is over the cap of {messages.MAX_FRAME}")
        body = bytearray(size)
        if not self._fill(memoryview(body)):
            return None
        return messages.decode_to_worker(body)

    def _fill(self, view: memoryview) -> bool:
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                return False
            view = view[count:]
        return True
