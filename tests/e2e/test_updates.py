"""New versions replace old ones under load, and no caller sees a failure."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Skills
from tests.e2e.background import in_background
from tests.e2e.hammer import Hammer
from tests.e2e.harness import running
from tests.e2e.skills import entry, put, rogue, saying, wanting
from tests.registry_stub import StubRegistry
from tests.sdk_variants import variant

UPDATES = 50


def test_no_call_fails_while_a_skill_is_updated_fifty_times(tmp_path: Path) -> None:
    """Each edit names another tag; the old version answers until the new one is ready."""
    with (
        in_background(StubRegistry().running()) as registry,
        running(tmp_path, **_plain(registry)) as daemon,
    ):
        for number in range(UPDATES + 1):
            registry.put("skills/greet", f"v{number}", saying(f"v{number}"))

        def ask_for(number: int) -> None:
            tagged = entry("greet", tag=f"v{number}")
            daemon.write(wanting(tagged, registry=registry.host))

        ask_for(0)
        daemon.answers("team/greet", "v0")
        with Hammer(daemon, "team/greet") as hammer:
            for number in range(1, UPDATES + 1):
                ask_for(number)
                daemon.answers("team/greet", f"v{number}", within=20)

        assert hammer.failures == []
        assert len(hammer.answers) > UPDATES // 2
        assert daemon.metric("kernel_skill_cache_items") == 1


def test_no_call_fails_when_edits_come_faster_than_they_can_be_served(tmp_path: Path) -> None:
    """Versions may be skipped; the last one is served, never an older one after it."""
    with (
        in_background(StubRegistry().running()) as registry,
        running(tmp_path, **_plain(registry)) as daemon,
    ):
        for number in range(21):
            registry.put("skills/greet", f"v{number}", saying(f"v{number}"))
        daemon.write(wanting(entry("greet", tag="v0"), registry=registry.host))
        daemon.answers("team/greet", "v0")

        with Hammer(daemon, "team/greet") as hammer:
            for number in range(1, 21):
                daemon.write(wanting(entry("greet", tag=f"v{number}"), registry=registry.host))
            daemon.answers("team/greet", "v20", within=20)
            settled = hammer.calls
            daemon.eventually(lambda: hammer.calls, lambda calls: calls > settled + 50)

        assert hammer.failures == []
        assert daemon.run("team/greet", "hi").json() == "v20"


def test_a_call_in_flight_ends_on_the_version_it_began_on(tmp_path: Path) -> None:
    """A nap of 300 ms outlasts an update."""
    skills = put(tmp_path / "skills", nap=rogue())
    with running(tmp_path) as daemon:
        daemon.write(wanting("nap", path=skills))
        daemon.answers("team/nap", "hi")

        with Hammer(daemon, "team/nap", "nap", clients=2) as hammer:
            daemon.eventually(lambda: hammer.calls, lambda calls: calls >= 2)
            put(skills, nap=saying("new"))
            daemon.answers("team/nap", "new", within=20)

        assert hammer.failures == []
        assert set(hammer.answers) <= {b'"nap"', b'"new"'}


def test_a_cap_too_low_to_start_does_not_take_effect(tmp_path: Path) -> None:
    """The Skill answers under its old one, and the status tells why."""
    skills = put(tmp_path / "skills", greet=saying("good"))
    with running(tmp_path) as daemon:
        daemon.write(wanting("greet", path=skills))
        daemon.answers("team/greet", "good")

        with Hammer(daemon, "team/greet", clients=1) as hammer:
            daemon.write(wanting(entry("greet", memory="64KiB"), path=skills))
            daemon.eventually(
                lambda: str(daemon.status("team")["skills"]),
                lambda said: "needs 0.1 MiB of memory to start" in said,
            )

        assert hammer.failures == []


def test_a_version_that_cannot_be_served_does_not_replace_one_that_can(tmp_path: Path) -> None:
    """It is no component; the version before it answers, and the status tells why."""
    skills = put(tmp_path / "skills", greet=saying("good"))
    with running(tmp_path) as daemon:
        daemon.write(wanting("greet", path=skills))
        daemon.answers("team/greet", "good")

        with Hammer(daemon, "team/greet", clients=1) as hammer:
            put(skills, greet=b"\0asm\x01\0\0\0")
            daemon.failing("team/greet", "not-a-component")
            put(skills, greet=saying("better"))
            daemon.answers("team/greet", "better", within=20)

        assert hammer.failures == []


@pytest.mark.real
@pytest.mark.timeout(240)
def test_no_call_fails_while_a_python_skill_is_updated(
    sdk_skill: Skills, primed: Callable[[Path], None], tmp_path: Path
) -> None:
    """Three versions of an SDK-built Skill; both tiers of compilation come and go."""
    skills = tmp_path / "skills"
    skills.mkdir()
    variants = [variant(sdk_skill("hello"), number, into=tmp_path) for number in (1, 2, 3)]
    primed(tmp_path)

    def deploy(number: int) -> None:
        variants[number - 1].rename(skills / "hello.wasm")

    deploy(1)
    with running(tmp_path, PRECOMPILE="split") as daemon:
        daemon.write(wanting("hello", path=skills))
        daemon.answers("team/hello", _greeting(1), to={"topic": "you"}, within=60)
        with Hammer(daemon, "team/hello", {"topic": "you"}, clients=2) as hammer:
            for number in (2, 3):
                deploy(number)
                daemon.answers("team/hello", _greeting(number), to={"topic": "you"}, within=60)

        assert hammer.failures == []
        assert len(hammer.answers) == 3


@pytest.mark.real
@pytest.mark.timeout(240)
def test_the_whole_version_takes_over_unnoticed(
    sdk_skill: Skills, primed: Callable[[Path], None], tmp_path: Path
) -> None:
    """With tiered compilation, the split version serves first."""
    primed(tmp_path)
    with running(tmp_path, PRECOMPILE="tiered") as daemon:
        daemon.write(wanting("hello", path=sdk_skill("hello").parent))
        daemon.answers("team/hello", {"text": "Hello you"}, to={"topic": "you"}, within=60)
        first = daemon.status("team")["skills"][0]["variant"]

        with Hammer(daemon, "team/hello", {"topic": "you"}, clients=1) as hammer:
            daemon.eventually(
                lambda: daemon.status("team")["skills"][0]["variant"],
                lambda found: found == "whole",
                within=200,
            )

        assert first == "split"
        assert hammer.failures == []
        assert len(hammer.answers) == 1


def _greeting(number: int) -> dict[str, str]:
    return {"text": f"Hello you from variant-{number:05}"}


def _plain(registry: StubRegistry) -> dict[str, object]:
    """The settings that let a daemon talk to the stub, its default registry."""
    return {"REGISTRY": registry.host, "REGISTRY_PLAIN_HTTP": "true"}
