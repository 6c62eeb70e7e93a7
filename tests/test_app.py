import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from daemon import app
from daemon.errors import DaemonError, ErrorKind
from daemon.settings.model import Settings


def _settings(root: Path, **more: object) -> Settings:
    (root / "namespaces").mkdir(exist_ok=True)
    base: dict[str, object] = {
        "kernel_address": ("127.0.0.1", 0),
        "metrics_address": ("127.0.0.1", 0),
        "namespaces_root": root / "namespaces",
        "skill_build_cache": root / "cache",
        "workers": 1,
        "shutdown_timeout": 1.0,
    }
    return Settings(**{**base, **more})  # type: ignore[arg-type]


async def _address(caplog: pytest.LogCaptureFixture) -> str:
    """Where it listens, as an operator reads it in the log."""
    async with asyncio.timeout(30):
        while True:
            for record in caplog.records:
                if "listening on" in record.getMessage():
                    return record.getMessage().rpartition(" ")[2]
            await asyncio.sleep(0)


async def test_it_serves_until_sigterm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And leaves with status 0."""
    caplog.set_level(logging.INFO)
    daemon = asyncio.get_running_loop().create_task(app.serve(_settings(tmp_path)))
    url = await _address(caplog)

    async with aiohttp.ClientSession() as client:
        async with client.get(f"{url}/health") as answer:
            assert await answer.text() == "ok"
        assert gc.get_freeze_count() > 0
        gc.unfreeze()  # other tests look for what leaks
        async with client.post(
            f"{url}/v1/skills/test-beta/hello/message-stream", json={}
        ) as answer:
            assert '"text":"H"' in await answer.text()

    os.kill(os.getpid(), signal.SIGTERM)
    assert await daemon == 0


async def test_the_end_of_a_vital_task_ends_the_daemon(tmp_path: Path) -> None:
    """With status 1, so that its supervisor starts it anew: here, when workers lose their pulse."""
    broken = _settings(tmp_path, worker_recycle_calls="many")  # no number: the first beat fails
    async with asyncio.timeout(60):
        assert await app.serve(broken) == 1
    gc.unfreeze()


async def test_an_address_in_use_is_a_configuration_error(tmp_path: Path) -> None:
    """All that was started before is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = other.getsockname()
        with pytest.raises(
            DaemonError, match=f"can't listen on KERNEL_ADDRESS .*:{address[1]}"
        ) as caught:
            await app.serve(_settings(tmp_path, kernel_address=address))
    assert caught.value.kind is ErrorKind.CONFIGURATION


async def test_a_bad_operator_namespace_ends_the_start(tmp_path: Path) -> None:
    """With what is wrong."""
    with pytest.raises(DaemonError, match="directry"):
        await app.serve(_settings(tmp_path, namespaces={"a": {"directry": "x"}}))


def test_a_daemon_keeps_its_memory_and_environment_to_itself(tmp_path: Path) -> None:
    """Before the first guest is there. In a process of its own: there is no way back."""
    (tmp_path / "namespaces").mkdir()
    (tmp_path / "cache").touch()  # no directory, so it ends
    program = """
import ctypes, pathlib
from daemon import app
from daemon.errors import DaemonError
from daemon.settings.model import Settings
try:
    here = pathlib.Path()
    app.run(Settings(namespaces_root=here / "namespaces", skill_build_cache=here / "cache"))
except DaemonError:
    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == b"0"


def test_a_bad_log_level_ends_the_start(tmp_path: Path) -> None:
    """Before anything is built."""
    with pytest.raises(DaemonError, match="not a log level"):
        app.run(_settings(tmp_path, log_level="loud"))
