"""How soon an edit is served, and how good the first answer is."""

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import mean, median
from typing import Any

from bench import load
from bench.row import Bound, Row
from bench.stage import TOPIC, MissingError, Stage, digest_of, hello, put
from daemon.registries.publish import publish
from daemon.registries.reference import Reference
from daemon.registries.registries import Registries
from tests.e2e.harness import Daemon
from tests.e2e.skills import entry, wanting
from tests.registry_server import PASSWORD, USER, RegistryServer, running_registry

_REQUEST = load.post("/v1/skills/team/hello/run", TOPIC)
_REPOSITORY = "skills"
_STEPS = ("resolve", "pull", "verify", "split", "compile", "store", "load")
_COMPILED = re.compile(r"compiled (sha256:\w+) \(split\): (.*)")
_STEP = re.compile(r"(\w+) ([\d.]+) s")


def first_request(stage: Stage) -> Row:
    """Deploys from a directory; the very first request of each new version is timed."""
    first, warm = [], []
    skills = stage.root / "first-request"
    skills.mkdir()
    put(stage.hello, skills / "hello.wasm")
    with stage.daemon(PRECOMPILE="split") as daemon:
        daemon.write(wanting("hello", path=skills))
        daemon.ready()
        load.run(daemon.address, _REQUEST, connections=1, count=20)
        for number in stage.rounds(8, 5):
            component = stage.variant(200 + number)
            put(component, skills / "hello.wasm")
            await_digest(daemon, str(digest_of(component)))
            first += load.run(daemon.address, _REQUEST, connections=1, count=1).latencies
            result = load.run(daemon.address, _REQUEST, connections=1, count=60)
            warm.append(result.percentile(0.5))
    return Row(
        name="first-request",
        what="first request after a deploy",
        baseline="p50 of the 60 that follow",
        bound=Bound(limit=3),
        value=median(a / b for a, b in zip(first, warm, strict=True)),
        measured=f"{median(first) * 1e3:.2f} ms against {median(warm) * 1e3:.2f} ms",
        raw={"first": first, "warm_p50": warm},
    )


def await_digest(daemon: Daemon, digest: str) -> None:
    """Wait until `team/hello` is served in this version, as the status has it."""

    def served() -> Any:
        skills = daemon.status("team").get("skills") or [{}]
        return skills[0].get("served_digest")

    daemon.eventually(served, lambda found: found == digest, within=60)


# Edit to answer ----------------------------------------------------------------------------------


def edit_to_answer(stage: Stage) -> Row:
    """Tags in a real registry with TLS and passwords, on this machine."""
    if shutil.which("docker-registry") is None:
        raise MissingError("docker-registry is missing: sudo apt-get install docker-registry")
    took: list[float] = []
    steps: list[dict[str, float]] = []
    with _published(stage) as registry, stage.daemon(**_settings(registry)) as daemon:
        daemon.write(_wanting(registry, 0))
        daemon.answers("team/hello", hello(300), to={"topic": "you"}, within=60)
        for number in range(1, len(stage.rounds(8, 4)) + 1):
            before = _spent(daemon)
            start = time.perf_counter()
            daemon.write(_wanting(registry, number))
            _poll(daemon, f"variant-{300 + number:05}".encode())
            took.append(time.perf_counter() - start)
            steps.append(_breakdown(daemon, before, total=took[-1]))
    means = {step: mean(one.get(step, 0.0) for one in steps) for step in steps[0]}
    return Row(
        name="deploy",
        what="edit of namespace.toml to first answer of the new tag",
        baseline="absolute; registry on loopback, second Python Skill",
        bound=Bound(limit=1.5),
        value=median(took),
        unit="s",
        measured=", ".join(f"{step} {seconds:.2f}" for step, seconds in means.items()),
        raw={"seconds": took, "steps": steps},
    )


@contextmanager
def _published(stage: Stage) -> Iterator[RegistryServer]:
    """Run a registry in which each round finds its tag."""
    with running_registry(stage.root / "registry") as registry:
        asyncio.run(_publish(stage, registry))
        yield registry


async def _publish(stage: Stage, registry: RegistryServer) -> None:
    async with Registries(options=[registry.options]) as registries:
        for number in range(len(stage.rounds(8, 4)) + 1):
            reference = Reference.parse(f"{registry.host}/{_REPOSITORY}/hello:v{number}")
            await publish(registries.client(registry.host), stage.variant(300 + number), reference)


def _settings(registry: RegistryServer) -> dict[str, Any]:
    return {
        "PRECOMPILE": "split",  # no whole compile of the round before competes for the cores
        "REGISTRY": registry.host,
        "REGISTRY_CA": registry.ca,
        "REGISTRY_USER": USER,
        "REGISTRY_PASSWORD": PASSWORD,
    }


def _wanting(registry: RegistryServer, number: int) -> str:
    return wanting(entry("hello", tag=f"v{number}"), registry=registry.host)


def _poll(daemon: Daemon, wanted: bytes) -> None:
    """Call until the answer holds *wanted*."""
    end = time.monotonic() + 60
    while wanted not in daemon.request("POST", "/v1/skills/team/hello/run", TOPIC).body:
        assert time.monotonic() < end, "the new tag was not served within 60 s"
        time.sleep(0.02)


def _spent(daemon: Daemon) -> dict[str, float]:
    """Seconds of each step so far, as the metrics have it."""
    steps = {
        step: daemon.metric(f'skilld_install_step_seconds_sum{{step="{step}"}}')
        for step in ("resolve", "pull", "verify", "compile", "load")
    }
    name, namespace = "hello", "team"
    labels = f'{{name="{name}",namespace="{namespace}"}}'
    return {**steps, "total": daemon.metric(f"kernel_skill_fetch_duration_seconds_sum{labels}")}


def _breakdown(daemon: Daemon, before: dict[str, float], *, total: float) -> dict[str, float]:
    """Seconds of each step of the last deploy; `notice` is from the edit to the tick."""
    spent = {step: seconds - before[step] for step, seconds in _spent(daemon).items()}
    inside = _compile_steps(daemon)
    spent["split"] = inside.get("read", 0.0) + inside.get("split", 0.0)
    spent["store"] = spent["compile"] - spent["split"] - inside.get("compile", 0.0)
    spent["compile"] = inside.get("compile", 0.0)
    return {"notice": total - spent["total"], **{step: spent[step] for step in _STEPS}}


def _compile_steps(daemon: Daemon) -> dict[str, float]:
    """What the log says of the last compile."""
    found = next(filter(None, map(_COMPILED.search, reversed(daemon.log))), None)
    return {step: float(value) for step, value in _STEP.findall(found[2])} if found else {}
