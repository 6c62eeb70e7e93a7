"""A child process: how it is started, heard and ended."""

import asyncio
import os
import signal

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.workers import messages as m
from daemon.workers.process import Lost, WorkerProcess, _Frames
from tests.waiting import until
from tests.workers.scripts import artifact, scripted


class Heard:
    """Keeps what a process says and how it was lost."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[m.FromWorker] = asyncio.Queue()
        self.lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self.process = WorkerProcess(self.frames.put_nowait, lost=self.lost.set_result)

    async def start(self, scenario: str = "good", *, timeout: float = 20.0) -> WorkerProcess:
        await self.process.start(scripted(scenario), timeout=timeout)
        return self.process


def signalled(process: WorkerProcess, number: int) -> None:
    """Send a signal; 0 only looks whether it exists."""
    assert process.pid is not None
    os.kill(process.pid, number)


def run(body: bytes) -> m.Run:
    """A call with this input."""
    return m.Run(1, artifact().id, body, timeout=5.0, memory=1 << 20, output=1 << 20)


async def test_frames_travel_both_ways_whatever_their_size() -> None:
    """Small ones, several in one write, and one far larger than a socket's buffer."""
    heard = Heard()
    process = await heard.start()

    big = b'{"do": "echo", "text": "' + b"x" * (5 << 20) + b'"}'
    process.send(m.Ping())
    process.send(run(big))
    process.send(m.Ping())

    pong, done, last = [await heard.frames.get() for _ in range(3)]
    assert isinstance(pong, m.Pong)
    assert isinstance(last, m.Pong)
    assert done.output == big

    await process.close(grace=1.0)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("silent", "did not say hello within 1 s"),
        ("dead", "exited with status 7; its last words: no engine for this CPU"),
        ("rude", "began with Pong instead of Hello"),
        ("newer", f"speaks protocol {m.PROTOCOL + 1} instead of {m.PROTOCOL}"),
    ],
)
async def test_child_that_does_not_greet_properly_is_refused(scenario: str, words: str) -> None:
    """The error says what it did instead, and no process is left."""
    heard = Heard()

    with pytest.raises(DaemonError, match=words) as caught:
        await heard.start(scenario, timeout=1.0 if scenario == "silent" else 20.0)

    assert caught.value.kind is ErrorKind.WORKER_LOST
    with pytest.raises(ProcessLookupError):
        signalled(heard.process, 0)


async def test_command_that_does_not_exist_is_an_error() -> None:
    """Of ours, not the operating system's."""
    heard = Heard()
    with pytest.raises(DaemonError, match="could not be started"):
        await heard.process.start(("/nonexistent",), timeout=5.0)


async def test_child_gets_no_environment_and_no_descriptors() -> None:
    """Standard streams and the socket (and the listing of the directory itself)."""
    heard = Heard()
    with pytest.raises(DaemonError) as caught:
        await heard.start("environment")
    said = caught.value.detail
    assert "PATH" not in said and "HOME" not in said
    assert "fds=5 cwd=/" in said


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"do": "garbage"}', "sent garbage"),
        (b'{"do": "giant"}', "announced a frame of 4294967295 bytes"),
        (b'{"do": "exit"}', "exited with status 3"),
        (b'{"do": "half"}', "exited with status 0"),
    ],
)
async def test_loss_is_reported_once_with_its_reason(body: bytes, reason: str) -> None:
    """What is sent afterwards goes nowhere."""
    heard = Heard()
    process = await heard.start()

    process.send(run(body))

    lost = await heard.lost
    assert lost.reason.startswith(reason)
    process.send(m.Ping())  # into the void


async def test_last_words_are_kept() -> None:
    """They often tell why."""
    heard = Heard()
    process = await heard.start()
    process.send(run(b'{"do": "exit"}'))
    lost = await heard.lost
    assert str(lost) == "exited with status 3; its last words: goodbye, cruel world"


async def test_killed_child_is_told_apart() -> None:
    """By the signal."""
    heard = Heard()
    process = await heard.start()
    signalled(process, signal.SIGKILL)
    assert (await heard.lost).reason == "was ended by SIGKILL"


async def test_reason_of_a_kill_is_what_is_reported() -> None:
    """Not the signal, and not a later reason."""
    heard = Heard()
    process = await heard.start()
    process.kill("hung")
    assert (await heard.lost).reason == "hung"
    process.kill("again")


async def test_close_terminates_and_kills_who_does_not_listen() -> None:
    """A stopped process gets no SIGTERM; it is gone all the same, and that is no loss."""
    heard = Heard()
    process = await heard.start()
    signalled(process, signal.SIGSTOP)

    await process.close(grace=0.05)

    assert not heard.lost.done()
    with pytest.raises(ProcessLookupError):
        signalled(process, 0)


async def test_cancelled_start_leaves_no_process() -> None:
    """Who starts may change his mind."""
    heard = Heard()
    starting = asyncio.ensure_future(heard.start("silent"))
    await until(lambda: heard.process.pid is not None)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    with pytest.raises(ProcessLookupError):
        signalled(heard.process, 0)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 7, 1000])
def test_frames_are_found_however_the_bytes_are_cut(size: int) -> None:
    """Even byte by byte."""
    sent = [m.Pong(0, number) for number in range(50)]
    wire = b"".join(m.encode(frame) for frame in sent)
    got: list[m.FromWorker] = []
    frames = _Frames(got.append, ended=lambda reason: pytest.fail(str(reason)))

    for start in range(0, len(wire), size):
        frames.data_received(wire[start : start + size])

    assert got == sent
