"""
The frames between the parent and a worker. Pure: what is said, not how it travels.

A frame is a 4-byte big-endian length and that many bytes of MessagePack. The parent speaks
`ToWorker`, a worker `FromWorker`. Calls and artifacts are named by the parent; numbers are never
reused within a worker's life. What a frame can't hold: tokens, registry credentials, settings.
"""

import msgspec

from daemon.csi.interface import Reply, Request
from daemon.skill import Failure, SkillMetadata, StreamEvent

PROTOCOL = 1
"""Raised with any change here: a worker of another version is refused at `Hello`."""

HEADER_BYTES = 4
MAX_FRAME = 256 << 20


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    """A message; array-like, so that field names cost nothing on the wire."""


# Parent to worker --------------------------------------------------------------------------------


class Load(_Frame, frozen=True, tag="load"):
    """
    Load the files of an artifact. Answered by `Loaded`.

    `shared`: import name to path of the precompiled core module. `describe` asks for a smoke
    test: one instance is made, and its metadata read under `timeout` seconds and `memory` bytes.
    `memories`: how many linear memories share that, and the `memory` of each call.
    """

    artifact: str
    world: str
    kind: str
    component: str
    shared: list[tuple[str, str]] = []
    strings: bool = False
    describe: bool = False
    timeout: float = 10.0
    memory: int = 1 << 30
    memories: int = 1


class Unload(_Frame, frozen=True, tag="unload"):
    """Forget an artifact once its calls have ended. Not answered."""

    artifact: str


class Run(_Frame, frozen=True, tag="run"):
    """
    Call a loaded Skill with JSON text. Answered by `Event`s (streams only) and one `Done`.

    `timeout` in seconds from receipt, `memory` and `output` in bytes. `credit`: how many events
    may be sent before the worker waits for `Credit`.
    """

    call: int
    artifact: str
    input: bytes
    timeout: float
    memory: int
    output: int
    credit: int = 32


class Cancel(_Frame, frozen=True, tag="cancel"):
    """Stop a call, also inside a host call. Answered by its `Done`, unless it was done."""

    call: int


class Credit(_Frame, frozen=True, tag="credit"):
    """The reader took *events* events: as many more may be sent."""

    call: int
    events: int


class Answer(_Frame, frozen=True, tag="answer"):
    """The reply to a `HostCall`, or why there is none: then the guest ends with that failure."""

    call: int
    request: int
    reply: Reply | None = None
    failure: Failure | None = None


class Warm(_Frame, frozen=True, tag="warm"):
    """Keep *instances* instances of this artifact ready (0: none)."""

    artifact: str
    instances: int
    memory: int = 1 << 30


class Ping(_Frame, frozen=True, tag="ping"):
    """Are you alive? Answered by `Pong` from the frame loop, whatever the guests do."""


class Drain(_Frame, frozen=True, tag="drain"):
    """Finish what runs, then exit with status 0. No `Run` follows."""


ToWorker = Load | Unload | Run | Cancel | Credit | Answer | Warm | Ping | Drain


# Worker to parent --------------------------------------------------------------------------------


class Hello(_Frame, frozen=True, tag="hello"):
    """The first frame: the worker has built its engine and takes work."""

    protocol: int


class Loaded(_Frame, frozen=True, tag="loaded"):
    """
    An artifact is loaded, or why not.

    With `describe`, exactly one of `metadata` (None for worlds without) and `metadata_failure`
    says what the Skill tells of itself; a Skill whose metadata fails is still loaded.
    """

    artifact: str
    failure: Failure | None = None
    metadata: SkillMetadata | None = None
    metadata_failure: Failure | None = None


class Event(_Frame, frozen=True, tag="event"):
    """An item of a message stream."""

    call: int
    event: StreamEvent


class HostCall(_Frame, frozen=True, tag="host-call"):
    """The guest asks its host; it holds no CPU until the `Answer`."""

    call: int
    request: int
    body: Request


class Done(_Frame, frozen=True, tag="done"):
    """
    A call has ended: `output` (JSON text; None for streams), or `failure`.

    `cpu` is the thread's CPU time in seconds; `warm` tells that a prepared instance served it.
    """

    call: int
    output: bytes | None = None
    failure: Failure | None = None
    cpu: float = 0.0
    warm: bool = False


class Pong(_Frame, frozen=True, tag="pong"):
    """
    Alive. `zombies` counts threads whose call has ended but whose guest can't be stopped (it
    sleeps in WASI); `resident` is the process's private memory in bytes.
    """

    zombies: int
    resident: int


FromWorker = Hello | Loaded | Event | HostCall | Done | Pong

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """Return the frame of *message*, its length in front. Raises OverflowError above the cap."""
    buffer = bytearray(HEADER_BYTES)
    _encoder.encode_into(message, buffer, HEADER_BYTES)
    size = len(buffer) - HEADER_BYTES
    if size > MAX_FRAME:
        raise OverflowError(f"a frame of {size} bytes is over the cap of {MAX_FRAME}")
    buffer[:HEADER_BYTES] = size.to_bytes(HEADER_BYTES, "big")
    return bytes(buffer)


def decode_to_worker(body: bytes | bytearray | memoryview) -> ToWorker:
    """Parse the body of a frame from the parent. Raises msgspec.DecodeError."""
    message: ToWorker = _to_worker.decode(body)
    return message


def decode_from_worker(body: bytes | bytearray | memoryview) -> FromWorker:
    """Parse the body of a frame from a worker. Raises msgspec.DecodeError: do not trust it."""
    message: FromWorker = _from_worker.decode(body)
    return message
