"""
A keep-alive HTTP/1.1 load generator that costs little: it shares the cores with what it measures.

It sends one prepared request over and over on each connection, and reads answers that carry a
Content-Length. It is no HTTP client: it fails loudly at anything else.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass
class Result:
    """Seconds per answered request, the statuses that were not 200, and the time it all took."""

    latencies: list[float] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers with status 200 per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency, in seconds, that *share* of the requests stayed under."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(path: str, body: bytes, *, host: str = "bench") -> bytes:
    """Return the bytes of a POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One connection: send, await the whole answer, note the time, again until told to stop."""

    def __init__(self, request: bytes, result: Result, deadline: float, count: int | None) -> None:
        self._request, self._result = request, result
        self._deadline, self._left = deadline, count
        self._buffer = bytearray()
        self._wanted: int | None = None
        self._sent = 0.0
        self._waiting = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of its own
        self._send()

    def _send(self) -> None:
        now = time.perf_counter()
        if now >= self._deadline or self._left == 0:
            self._transport.close()
            return
        if self._left is not None:
            self._left -= 1
        self._sent = now
        self._waiting = True
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._wanted is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._buffer, 0, end + 2)
            if length is None:
                raise RuntimeError(f"no Content-Length in {bytes(self._buffer[:end])!r}")
            self._wanted = end + 4 + int(length[1])
        if len(self._buffer) < self._wanted:
            return
        status = int(self._buffer[9:12])
        if status == 200:
            self._result.latencies.append(time.perf_counter() - self._sent)
        else:
            self._result.failures.append(status)
        del self._buffer[: self._wanted]
        self._wanted = None
        self._waiting = False
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or self._waiting:
            self._result.failures.append(0)
        if not self.done.done():
            self.done.set_result(None)


def run(
    address: tuple[str, int],
    request: bytes,
    *,
    connections: int,
    seconds: float = 3600.0,
    count: int | None = None,
) -> Result:
    """Send *request* over *connections* for *seconds*, or *count* times on each. Blocking."""
    return uvloop.run(send(address, request, connections=connections, seconds=seconds, count=count))


async def send(
    address: tuple[str, int],
    request: bytes,
    *,
    connections: int,
    seconds: float,
    count: int | None = None,
) -> Result:
    """Do what `run` does, within a running loop."""
    result = Result()
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    deadline = start + seconds
    protocols = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(request, result, deadline, count), *address
        )
        protocols.append(protocol)
    await asyncio.gather(*(protocol.done for protocol in protocols))
    result.seconds = time.perf_counter() - start
    return result
