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
_METRICS = re.compile(r"metrics on http://([\d.]+):(\d+)")
_TICKS = os.sysconf("SC_CLK_TCK")


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
        self.settings = {
            "KERNEL_ADDRESS": "127.0.0.1:0",
            "METRICS_ADDRESS": "127.0.0.1:0",
            "NAMESPACES_ROOT": str(self.namespaces),
            "SKILL_BUILD_CACHE": str(self.cache),
            "SKILL_TIMEOUT": "60s",
            **{name: str(value) for name, value in settings.items()},
        }
        self.log: list[str] = []
        self._address: tuple[str, int] | None = None
        self._metrics: tuple[str, int] | None = None
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "Daemon":
        """Start, and wait until it listens."""
        heard = threading.Event()  # one per process: the last one's thread may still be at work
        self._address = None
        environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "serve"],
            cwd=self.root,
            env={**environment, **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, args=(self.process, heard), daemon=True).start()
        if not heard.wait(60) or self._address is None:
            self.kill()
            raise AssertionError("the daemon does not listen:\n" + "\n".join(self.log))
        return self

    def _listen(self, process: "subprocess.Popen[str]", heard: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line.rstrip())
            if match := _LISTENING.search(line):
                self._address = (match[1], int(match[2]))
            if match := _METRICS.search(line):  # the last of the two
                self._metrics = (match[1], int(match[2]))
                heard.set()
        process.stdout.close()
        heard.set()

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

    def write(self, text: str, *, namespace: str = "team") -> None:
        """Put a namespace's file in place at once, as a careful editor does."""
        directory = self.namespaces / namespace
        directory.mkdir(exist_ok=True)
        temporary = directory / ".namespace.toml.swp"
        temporary.write_text(text)
        temporary.replace(directory / "namespace.toml")

    def answers(
        self, skill: str, wanted: object, *, to: object = "hi", within: float = 30
    ) -> Answer:
        """Wait until a Skill answers with *wanted*."""

        def right(answer: Answer) -> bool:
            return answer.status == 200 and answer.json() == wanted

        return self.eventually(lambda: self.run(skill, to), right, within=within)

    def condition(self, namespace: str, kind: str = "Ready") -> dict[str, str]:
        """A condition of a namespace, as JSON; empty where there is none yet."""
        found = self.status(namespace).get("conditions", ())
        return next((one for one in found if one["type"] == kind), {})

    def failing(self, skill: str, code: str, *, within: float = 30) -> dict[str, str]:
        """Wait until the status of `namespace/name` tells an error of that code; returns it."""
        namespace, name = skill.split("/")

        def error() -> dict[str, str]:
            found = self.status(namespace).get("skills", ())
            told = next((one["error"] for one in found if one["name"] == name), None)
            return told or {"code": "", "message": ""}

        return self.eventually(error, lambda told: told["code"] == code, within=within)

    def metric(self, name: str) -> float:
        """The value of a metric, labels included in its name; 0 where it is not there."""
        assert self._metrics is not None
        connection = http.client.HTTPConnection(*self._metrics, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def cpu(self, *, over: float = 0.5) -> dict[int, float]:
        """Which share of a core each process below the daemon takes, *over* some seconds."""
        before, start = self._cpu_seconds(), time.monotonic()
        time.sleep(over)
        after, took = self._cpu_seconds(), time.monotonic() - start
        return {pid: (used - before.get(pid, 0.0)) / took for pid, used in after.items()}

    def _cpu_seconds(self) -> dict[int, float]:
        used = {}
        for pid in self.children():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                used[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
        return used

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
