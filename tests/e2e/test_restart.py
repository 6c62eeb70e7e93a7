"""Restarts, crashes, damaged caches, signals: what was served is served again, and soon."""

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Skills
from tests.e2e.background import in_background
from tests.e2e.harness import Answer, Daemon, running
from tests.e2e.skills import entry, names, put, rogue, saying, wanting
from tests.registry_stub import StubRegistry
from tests.sdk_variants import variant


@contextlib.contextmanager
def served_before(root: Path, *skills: str) -> Iterator[Daemon]:
    """A daemon that served *skills* from a registry which is off by now; it is not running."""
    with in_background(StubRegistry().running()) as registry:
        for name in skills:
            registry.put(f"skills/{name}", "v1", saying(name))
        daemon = Daemon(root, REGISTRY=registry.host, REGISTRY_PLAIN_HTTP="true").start()
        try:
            wanted = [entry(name, tag="v1") for name in skills]
            daemon.write(wanting(*wanted, registry=registry.host))
            for name in skills:
                daemon.answers(f"team/{name}", name)
        finally:
            assert daemon.stop() == 0
    try:
        yield daemon
    finally:
        daemon.stop()


def test_a_restart_without_the_registry_serves_all_at_once(tmp_path: Path) -> None:
    """From disk; the status tells of the registry once it was asked."""
    wanted = tuple(names(20))
    with served_before(tmp_path, *wanted) as daemon:
        started = time.monotonic()
        daemon.start().ready()
        took = time.monotonic() - started

        for name in wanted:
            assert daemon.run(f"team/{name}", "hi").json() == name
        assert took < 10, f"ready after {took:.1f} s"
        assert daemon.get("/v1/skills").json() == sorted(f"team/{name}" for name in wanted)


@pytest.mark.real
@pytest.mark.timeout(240)
def test_python_skills_are_served_again_within_seconds(
    sdk_skill: Skills, primed: Callable[[Path], None], tmp_path: Path
) -> None:
    """Nothing is compiled twice; their components may even be gone from the registry."""
    skills = tmp_path / "skills"
    skills.mkdir()
    for number in range(1, 6):
        variant(sdk_skill("hello"), number, into=skills)
    wanted = [f"hello-{number}" for number in range(1, 6)]
    primed(tmp_path)
    with running(tmp_path, PRECOMPILE="split") as daemon:
        daemon.write(wanting(*wanted, path=skills))
        for name in wanted:
            daemon.eventually(
                lambda name=name: daemon.run(f"team/{name}", {"topic": "you"}).status,
                lambda status: status == 200,
                within=120,
            )
    shutil.rmtree(skills)

    again = Daemon(tmp_path, PRECOMPILE="split")
    started = time.monotonic()
    again.start().ready()
    took = time.monotonic() - started
    try:
        for number, name in enumerate(wanted, start=1):
            answer = again.run(f"team/{name}", {"topic": "you"})
            assert answer.json() == {"text": f"Hello you from variant-{number:05}"}
    finally:
        again.stop()

    assert took < 15, f"ready after {took:.1f} s"
    assert not any("compiled" in line for line in again.log)


def test_a_killed_daemon_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGKILL in the midst of serving: its workers go, and the next start serves."""
    with served_before(tmp_path, "one") as daemon:
        daemon.start().ready()
        workers = daemon.children()
        assert workers

        daemon.kill()

        def alive() -> list[int]:
            return [pid for pid in workers if _runs(pid)]

        daemon.eventually(alive, lambda left: not left, within=20)
        daemon.start().ready()
        assert daemon.run("team/one", "hi").json() == "one"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty"])
def test_a_damaged_compiled_file_is_noticed_and_rebuilt(tmp_path: Path, damage: str) -> None:
    """Native code with a flipped bit would be loaded without a word; it must never be."""
    with served_before(tmp_path, "one", "two") as daemon:
        damaged = sorted((tmp_path / "cache" / "skills").glob("*.cwasm"))
        assert damaged
        for file in damaged:
            _damage(file, damage)

        daemon.start()

        for name in ("one", "two"):
            daemon.answers(f"team/{name}", name)
        assert not [line for line in daemon.log if "Traceback" in line]


def test_a_damaged_component_is_pulled_again(tmp_path: Path) -> None:
    """And so is everything, where the cache is wiped between two runs."""
    skills = put(tmp_path / "skills", one=saying("one"))
    for breaking in ("flip", "wipe"):
        with running(tmp_path / "d") as daemon:
            daemon.write(wanting("one", path=skills))
            daemon.answers("team/one", "one")
        if breaking == "wipe":
            shutil.rmtree(daemon.cache)
        else:
            for file in [one for one in daemon.cache.rglob("*") if one.is_file()]:
                _damage(file, "flip")
        with running(tmp_path / "d") as daemon:
            daemon.answers("team/one", "one")


def test_the_last_good_file_survives_a_restart(tmp_path: Path) -> None:
    """Someone breaks the file while the daemon is down; what was good is served."""
    with served_before(tmp_path, "one", "two") as daemon:
        daemon.write("skills = [ broken")

        daemon.start().ready()

        assert daemon.run("team/one", "hi").json() == "one"
        assert daemon.run("team/two", "hi").json() == "two"
        assert daemon.condition("team")["reason"] == "BuildFailed"


def test_an_edit_made_while_it_was_down_is_applied(tmp_path: Path) -> None:
    """What is no longer wanted goes."""
    with served_before(tmp_path, "one", "two") as daemon:
        daemon.write(wanting(entry("two", tag="v1"), registry=daemon.settings["REGISTRY"]))

        daemon.start().ready()

        daemon.eventually(lambda: daemon.run("team/one", 1).status, lambda s: s == 404)
        assert daemon.run("team/two", "hi").json() == "two"


class TestSignals:
    """SIGTERM, SIGHUP, and the route that a syncer's webhook calls."""

    @pytest.fixture
    def daemon(self, tmp_path: Path) -> Iterator[Daemon]:
        """A daemon with a Skill that naps for 300 ms and loops for ever if told to."""
        self.skills = put(tmp_path / "skills", rogue=rogue())
        daemon = Daemon(tmp_path, NAMESPACE_UPDATE_INTERVAL="60s", SHUTDOWN_TIMEOUT="25s")
        daemon.start()
        daemon.write(wanting("rogue", path=self.skills))
        daemon.answers("team/rogue", "hi")
        try:
            yield daemon
        finally:
            daemon.stop()

    def test_a_call_in_flight_ends_well(self, daemon: Daemon) -> None:
        """Readiness goes first, so that load balancers look elsewhere."""
        with _in_flight(daemon, "nap", of=3) as calls:
            daemon.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(OSError):
                status = daemon.get("/readyz").status
                assert status in {200, 503}

        assert daemon.process.wait(20) == 0
        assert [answer.status for answer in calls] == [200] * 3

    def test_a_second_signal_forces(self, daemon: Daemon) -> None:
        """The call that never ends is told why it does."""
        with _in_flight(daemon, "loop", of=1) as calls:
            daemon.process.send_signal(signal.SIGTERM)
            daemon.eventually(
                lambda: any("stopping" in line for line in daemon.log), lambda said: said
            )
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(20) == 0

        assert [answer.status for answer in calls] == [503]
        assert calls[0].json()["code"] == "shutting-down"
        assert not daemon.children()

    def test_a_drain_has_a_deadline(self, tmp_path: Path) -> None:
        """Kubernetes would kill it otherwise."""
        skills = put(tmp_path / "skills", rogue=rogue())
        with running(tmp_path, SHUTDOWN_TIMEOUT="1s") as daemon:
            daemon.write(wanting("rogue", path=skills))
            daemon.answers("team/rogue", "hi")
            with _in_flight(daemon, "loop", of=1) as calls:
                daemon.process.send_signal(signal.SIGTERM)
                assert daemon.process.wait(20) == 0

        assert calls[0].status == 503

    @pytest.mark.parametrize("by", ["SIGHUP", "webhook"])
    def test_whoever_asks_is_obeyed_at_once(self, daemon: Daemon, by: str) -> None:
        """Also a Skill that was missing is looked for again."""
        daemon.write(wanting("rogue", "late", path=self.skills))
        daemon.failing("team/late", "not-in-registry")
        put(self.skills, late=saying("late"))

        if by == "SIGHUP":
            daemon.process.send_signal(signal.SIGHUP)
        else:
            assert daemon.request("POST", "/-/reload").status == 200

        daemon.answers("team/late", "late", within=10)


@contextlib.contextmanager
def _in_flight(daemon: Daemon, deed: str, *, of: int) -> Iterator[list[Answer]]:
    """*of* calls that run, or wait to, when the block begins; their answers when it is left."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(daemon.run("team/rogue", deed)))
        for _ in range(of)
    ]
    for thread in threads:
        thread.start()
    daemon.eventually(
        lambda: (
            sum(
                daemon.metric(f'skilld_calls{{state="{state}"}}') for state in ("running", "queued")
            )
            + len(answers)
        ),
        lambda count: count >= of,
    )
    yield answers
    for thread in threads:
        thread.join()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    match how:
        case "flip" if content:
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        case "truncate":
            file.write_bytes(content[: len(content) // 2])
        case "empty":
            file.write_bytes(b"")
        case "remove":
            file.unlink()
