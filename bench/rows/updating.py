"""Requests that fail while a Skill is updated again and again under load."""

import threading

from bench import load
from bench.row import Bound, Row
from bench.rows.deploys import await_digest
from bench.stage import TOPIC, Stage, digest_of, put
from tests.e2e.skills import wanting

_UPDATES = 50
_VERSIONS = 5


def updates(stage: Stage) -> Row:
    """Versions of a Python Skill take turns; each is served before the next one comes."""
    many = stage.many()
    skills = stage.root / "updates"
    skills.mkdir()
    versions = [stage.variant(1 + number) for number in range(_VERSIONS)]
    put(versions[0], skills / "hello.wasm")
    results: list[load.Result] = []
    with stage.daemon(many / "cache", PRECOMPILE="split") as daemon:
        daemon.write(wanting("hello", path=skills))
        daemon.ready()
        stop = threading.Event()
        request = load.post("/v1/skills/team/hello/run", TOPIC)

        def hammer() -> None:
            while not stop.is_set():
                results.append(load.run(daemon.address, request, connections=4, seconds=1.0))

        hammering = threading.Thread(target=hammer)
        hammering.start()
        try:
            for number in range(1, _UPDATES + 1):
                version = versions[number % _VERSIONS]
                put(version, skills / "hello.wasm")
                await_digest(daemon, str(digest_of(version)))
        finally:
            stop.set()
            hammering.join()
    failures = [status for result in results for status in result.failures]
    answered = sum(len(result.latencies) for result in results)
    slowest = max(max(result.latencies) for result in results)
    return Row(
        name="updates",
        what=f"requests failing while a Python Skill is updated {_UPDATES} times under load",
        baseline="absolute; 4 connections",
        bound=Bound(limit=0),
        value=len(failures),
        measured=f"of {answered + len(failures)}; the slowest took {slowest * 1e3:.0f} ms",
        raw={"answered": answered, "failed": failures, "slowest": slowest},
    )
