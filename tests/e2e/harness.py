"""
A real daemon as a process, with directories of its own, for end-to-end tests and benchmarks.

It is started as an operator would start it, with an environment and no shared state; its address
is read from its log, since it listens on port 0.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")
_LISTENING = re.compile(r"listening on http://([\d.]+):(\d+)")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, its body read."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Daemon:
    """One `skilld serve` process below *root*: `namespaces/`, `cache/`, and its log in memory."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        self.namespaces = root / "namespaces"
        self.namespaces.mkdir(parents=True, exist_ok=True)
        self.cache = root / "cache"
        self._settings = {
            "KERNEL_ADDRESS": "127.0.0.1:0",
            "METRICS_ADDRESS": "127.0.0.1:0",
            "NAMESPACES_ROOT": str(self.namespaces),
            "SKILL_BUILD_CACHE": str(self.cache),
            "SKILL_TIMEOUT": "60s",
            **{name: str(value) for name, value in settings.items()},
        }
        self.log: list[str] = []
        self._address: tuple[str, int] | None = None
        self._heard = threading.Event()
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "Daemon":
        """Start, and wait until it listens."""
        self._heard.clear()
        self._address = None
        environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "serve"],
            cwd=self.root,
            env={**environment, **self._settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        if not self._heard.wait(30) or self._address is None:
            raise AssertionError("the daemon does not listen:\n" + "\n".join(self.log))
        return self

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line.rstrip())
            match = _LISTENING.search(line)
            if match and not self._heard.is_set():
                self._address = (match[1], int(match[2]))
                self._heard.set()
        process.stdout.close()
        self._heard.set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the API."""
        assert self._address is not None
        return self._address

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """Send one request; a body that is not bytes goes as JSON."""
        connection = http.client.HTTPConnection(*self.address, timeout=timeout)
        with contextlib.closing(connection):
            sent = dict(headers or {})
            data = None
            if body is not None or method == "POST":
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            answered = {key.lower(): value for key, value in response.getheaders()}
            return Answer(response.status, answered, response.read())

    def get(self, path: str) -> Answer:
        """GET *path*."""
        return self.request("GET", path)

    def run(self, skill: str, body: object, **options: Any) -> Answer:
        """POST to the `run` route of `namespace/name`."""
        return self.request("POST", f"/v1/skills/{skill}/run", body, **options)

    def eventually(
        self, probe: Callable[[], _T], wanted: Callable[[_T], bool], *, within: float = 30
    ) -> _T:
        """Probe until the answer is wanted; fails with the last answer and the log."""
        end = time.monotonic() + within
        while True:
            last = probe()
            if wanted(last):
                return last
            if time.monotonic() > end:
                log = "\n".join(self.log[-40:])
                raise AssertionError(f"still {last!r} after {within} s; the log:\n{log}")
            time.sleep(0.01)

    def ready(self, *, within: float = 60) -> "Daemon":
        """Wait until `/readyz` says 200."""
        self.eventually(lambda: self.get("/readyz").status, lambda s: s == 200, within=within)
        return self

    def status(self, namespace: str) -> Any:
        """The status of one namespace, as JSON."""
        return self.get(f"/v1/namespaces/{namespace}").json()

    def children(self) -> list[int]:
        """Pids of all processes below the daemon."""
        assert self.process is not None
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    below = [int(child) for child in task.read_text().split()]
                    found += below
                    todo += below
        return found

    def kill(self) -> None:
        """SIGKILL, as the kernel would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, *, within: float = 40) -> int:
        """SIGTERM; return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextlib.contextmanager
def running(root: Path, **settings: object) -> Iterator[Daemon]:
    """A daemon for the length of a block; what it logged is shown if the block fails."""
    daemon = Daemon(root, **settings).start()
    try:
        yield daemon
    except BaseException:
        print("\n".join(daemon.log[-80:]))
        raise
    finally:
        daemon.stop()
