"""Steady calls from a few clients while a test does something else; every failure is noted."""

import http.client
import json
import threading
import time
from collections import Counter

from tests.e2e.harness import Daemon


class Hammer:
    """
    Calls one Skill over and over on keep-alive connections, for the length of a block.

    `answers` counts the bodies of the good answers, `failures` tells what the others were, and
    `slowest` is in seconds.
    """

    def __init__(
        self, daemon: Daemon, skill: str, body: object = "hi", *, clients: int = 3
    ) -> None:
        self._address = daemon.address
        self._path = f"/v1/skills/{skill}/run"
        self._body = json.dumps(body).encode()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]
        self.answers: Counter[bytes] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0

    @property
    def calls(self) -> int:
        """How many good answers there were so far."""
        with self._lock:
            return self.answers.total()

    def __enter__(self) -> "Hammer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", self._path, self._body, headers)
                response = connection.getresponse()
                status, body = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._note(0, repr(error).encode(), started)
                connection.close()
            else:
                self._note(status, body, started)
        connection.close()

    def _note(self, status: int, body: bytes, started: float) -> None:
        with self._lock:
            self.slowest = max(self.slowest, time.monotonic() - started)
            if status == 200:
                self.answers[body] += 1
            else:
                self.failures.append(f"{status}: {body.decode(errors='replace')[:300]}")
