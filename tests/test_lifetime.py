import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.lifetime import End, answering
from tests.waiting import until

_SKILLD = Path(sys.executable).with_name("skilld")


class Calls:
    """Notes what was called."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def reload(self) -> None:
        """Rescan."""
        self.names.append("reload")

    def hurry(self) -> None:
        """Stop now."""
        self.names.append("hurry")


async def test_the_first_signal_ends_and_the_second_hurries() -> None:
    """SIGTERM and SIGINT alike."""
    end, calls = End(), Calls()
    with answering(end) as signals:
        signals.connect(reload=calls.reload, hurry=calls.hurry)
        os.kill(os.getpid(), signal.SIGINT)
        await end.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: bool(calls.names))
    assert calls.names == ["hurry"]
    assert end.status == 0


async def test_a_reload_during_the_start_is_made_up_for() -> None:
    """Once, however often it was asked for; later ones come at once."""
    end, calls = End(), Calls()
    with answering(end) as signals:
        signals.reload()
        signals.reload()
        signals.connect(reload=calls.reload, hurry=calls.hurry)
        assert calls.names == ["reload"]
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(calls.names) == 2)


async def test_an_end_during_the_start_cancels_it() -> None:
    """What it holds is let go before anything else is unwound."""
    end, undone = End(), list[str]()

    async def start() -> None:
        end.ask()
        try:
            await asyncio.Event().wait()
        finally:
            undone.append("start")

    assert await end.unless_before(start()) is None
    assert undone == ["start"]


async def test_a_start_that_ends_first_is_told_as_it_ended() -> None:
    """With its result or its error."""

    async def well() -> str:
        return "parts"

    async def badly() -> None:
        raise DaemonError(ErrorKind.CONFIGURATION, "no such directory")

    assert await End().unless_before(well()) == "parts"
    with pytest.raises(DaemonError, match="no such directory"):
        await End().unless_before(badly())


async def test_a_vital_failure_ends_with_status_1() -> None:
    """Also during the start."""
    end = End()

    async def start() -> None:
        end.fail(ValueError("broken"))
        await asyncio.Event().wait()

    assert await end.unless_before(start()) is None
    assert end.status == 1


# Real processes -----------------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A daemon that was just started."""
    (tmp_path / "namespaces").mkdir()
    settings = {"KERNEL_ADDRESS": "127.0.0.1:0", "METRICS_ADDRESS": "127.0.0.1:0", "WORKERS": "2"}
    process = subprocess.Popen(
        [str(_SKILLD), "serve"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _wait(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.002)


def _answers_signals(process: "subprocess.Popen[str]") -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGHUP - 1) & 1)


def _children(process: "subprocess.Popen[str]") -> list[int]:
    files = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for file in files for pid in file.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", [_answers_signals, _children])
def test_a_daemon_asked_to_stop_while_it_starts_leaves_well(
    daemon: "subprocess.Popen[str]",
    moment: Callable[["subprocess.Popen[str]"], object],
    number: signal.Signals,
) -> None:
    """While it imports, and while its workers start: status 0, nobody left behind."""
    _wait(lambda: moment(daemon))
    children = _children(daemon)
    daemon.send_signal(number)
    output, _ = daemon.communicate(timeout=60)

    assert (daemon.returncode, "Traceback" in output) == (0, False), output
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("moment", [_answers_signals, _children])
def test_a_reload_while_it_starts_does_no_harm(
    daemon: "subprocess.Popen[str]", moment: Callable[["subprocess.Popen[str]"], object]
) -> None:
    """`systemctl reload` may come right after `start`."""
    _wait(lambda: moment(daemon))
    daemon.send_signal(signal.SIGHUP)

    assert daemon.stdout is not None
    assert any("listening on" in line for line in daemon.stdout)
    daemon.terminate()
    daemon.communicate(timeout=60)
    assert daemon.returncode == 0
