"""Skills come from OCI registries, which are down, forgetful, slow or wrong at times."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Skills
from tests.e2e.background import in_background
from tests.e2e.hammer import Hammer
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import entry, saying, wanting
from tests.registry_server import PASSWORD, USER, RegistryServer, needs_registry, running_registry
from tests.registry_stub import StubRegistry, answer, flip


class TestRealRegistry:
    """Debian's docker-registry, with TLS from a CA of its own and a password."""

    pytestmark = needs_registry

    @pytest.fixture
    def registry(self, tmp_path: Path) -> Iterator[RegistryServer]:
        """A registry of this test's own."""
        with running_registry(tmp_path / "registry") as server:
            yield server

    def test_what_skilld_publishes_it_serves(
        self, registry: RegistryServer, tmp_path: Path
    ) -> None:
        """The digest that `publish` prints may be pinned."""
        first = _publish(registry, tmp_path, saying("first"), "greet:v1")
        with running(tmp_path / "d", **_access(registry)) as daemon:
            daemon.write(wanting(entry("greet", tag="v1"), registry=registry.host))
            daemon.answers("team/greet", "first")
            assert daemon.status("team")["skills"][0]["served_digest"] == first

            second = _publish(registry, tmp_path, saying("second"), "greet:v2")
            daemon.write(wanting(entry("greet", tag="v2"), registry=registry.host))
            daemon.answers("team/greet", "second")

            daemon.write(wanting(entry("greet", digest=first), registry=registry.host))
            daemon.answers("team/greet", "first")
            assert first != second
            assert PASSWORD not in "\n".join(daemon.log)

    @pytest.mark.real
    @pytest.mark.timeout(240)
    def test_what_the_public_command_publishes_is_served(
        self,
        registry: RegistryServer,
        sdk_skill: Skills,
        sdk_venv: Path,
        primed: Callable[[Path], None],
        tmp_path: Path,
    ) -> None:
        """`pharia-skill publish`, over TLS, of a Skill built with the SDK."""
        environment = registry.publishing | {
            "SKILL_REPOSITORY": "team-a/skills",
            "PATH": f"{sdk_venv / 'bin'}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
        }
        command = [str(sdk_venv / "bin" / "pharia-skill"), "publish", str(sdk_skill("hello"))]
        done = subprocess.run(
            [*command, "--name", "hello", "--tag", "latest"],
            env=environment,
            check=False,
            capture_output=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        primed(tmp_path / "d")
        with running(tmp_path / "d", PRECOMPILE="split", **_access(registry)) as daemon:
            daemon.write(wanting("hello", registry=registry.host, repository="team-a/skills"))
            daemon.answers("team/hello", {"text": "Hello you"}, to={"topic": "you"}, within=60)

    def test_a_moving_tag_is_picked_up(self, registry: RegistryServer, tmp_path: Path) -> None:
        """No edit, no call fails."""
        _publish(registry, tmp_path, saying("old"), "greet:latest")
        settings = {"NAMESPACE_UPDATE_INTERVAL": "500ms", **_access(registry)}
        with running(tmp_path / "d", **settings) as daemon:
            daemon.write(wanting("greet", registry=registry.host))
            daemon.answers("team/greet", "old")
            with Hammer(daemon, "team/greet", clients=1) as hammer:
                _publish(registry, tmp_path, saying("new"), "greet:latest")
                daemon.answers("team/greet", "new")

            assert hammer.failures == []

    def test_a_registry_that_is_down_is_asked_again(
        self, registry: RegistryServer, tmp_path: Path
    ) -> None:
        """What is served stays so; what is not yet, is as soon as the registry is back."""
        _publish(registry, tmp_path, saying("one"), "one:v1")
        _publish(registry, tmp_path, saying("two"), "two:v1")
        one, two = entry("one", tag="v1"), entry("two", tag="v1")
        settings = {"NAMESPACE_UPDATE_INTERVAL": "500ms", **_access(registry)}
        with running(tmp_path / "d", **settings) as daemon:
            daemon.write(wanting(one, registry=registry.host))
            daemon.answers("team/one", "one")

            registry.stop()
            daemon.write(wanting(one, two, registry=registry.host))
            refused = daemon.eventually(
                lambda: daemon.run("team/two", "hi"),
                lambda answer: "can't be reached" in answer.json()["detail"],
            )
            assert refused.status == 503
            assert daemon.run("team/one", "hi").json() == "one"

            registry.start()
            daemon.answers("team/two", "two", within=60)

    def test_a_wrong_password_is_named_and_a_right_one_needs_no_restart(
        self, registry: RegistryServer, tmp_path: Path
    ) -> None:
        """A rotated secret in a file is read when it is used."""
        _publish(registry, tmp_path, saying("one"), "one:v1")
        secret = tmp_path / "password"
        secret.write_text("wrong")
        access = {**_access(registry), "REGISTRY_PASSWORD_FILE": secret}
        del access["REGISTRY_PASSWORD"]
        with running(tmp_path / "d", **access) as daemon:
            daemon.write(wanting(entry("one", tag="v1"), registry=registry.host))
            daemon.failing("team/one", "registry-refused")

            secret.write_text(PASSWORD)
            daemon.request("POST", "/-/reload")

            daemon.answers("team/one", "one", within=60)

    def test_a_damaged_blob_is_not_served(self, registry: RegistryServer, tmp_path: Path) -> None:
        """The registry's disk has a flipped bit; the version before it answers."""
        _publish(registry, tmp_path, saying("good"), "greet:latest")
        settings = {"NAMESPACE_UPDATE_INTERVAL": "500ms", **_access(registry)}
        with running(tmp_path / "d", **settings) as daemon:
            daemon.write(wanting("greet", registry=registry.host))
            daemon.answers("team/greet", "good")

            binary = saying("worse")
            registry.stop()
            registry.start()
            _publish(registry, tmp_path, binary, "other:v1")
            registry.damage(_sha256(binary))
            _publish(registry, tmp_path, binary, "greet:v2")
            daemon.write(wanting(entry("greet", tag="v2"), registry=registry.host))

            daemon.failing("team/greet", "digest-mismatch")
            assert daemon.run("team/greet", "hi").json() == "good"


class TestFaults:
    """What a stub of a registry can play; all ends well without a restart."""

    @pytest.fixture
    def registry(self) -> Iterator[StubRegistry]:
        """It wants tokens, of its own token server."""
        with in_background(StubRegistry(bearer=True).running()) as stub:
            stub.put("skills/greet", "v1", saying("one"))
            stub.put("skills/greet", "v2", saying("two"))
            yield stub

    @pytest.fixture
    def daemon(self, registry: StubRegistry, tmp_path: Path) -> Iterator[Daemon]:
        """It serves `greet` at tag v1."""
        settings = {
            "REGISTRY": registry.host,
            "REGISTRY_PLAIN_HTTP": "true",
            "NAMESPACE_UPDATE_INTERVAL": "500ms",
        }
        with running(tmp_path, **settings) as daemon:
            daemon.write(wanting(entry("greet", tag="v1"), registry=registry.host))
            daemon.answers("team/greet", "one")
            with Hammer(daemon, "team/greet", clients=1) as hammer:
                yield daemon
            assert hammer.failures == []

    def test_an_expired_token_is_replaced(self, daemon: Daemon, registry: StubRegistry) -> None:
        """A registry answers 401 to it; a new one is fetched."""
        registry.expire_tokens()

        _deploy(daemon, registry, "v2")

        daemon.answers("team/greet", "two")

    def test_whoever_is_limited_waits_as_long_as_told(
        self, daemon: Daemon, registry: StubRegistry
    ) -> None:
        """429 with Retry-After, twice."""
        registry.play(answer(429, "TOOMANYREQUESTS", {"Retry-After": "1"}), on="v2", times=2)

        _deploy(daemon, registry, "v2")

        daemon.answers("team/greet", "two", within=60)
        assert len(registry.requests("HEAD", "v2")) <= 8

    def test_a_burst_of_errors_passes(self, daemon: Daemon, registry: StubRegistry) -> None:
        """500 on everything for a while."""
        registry.play(answer(500), times=8)

        _deploy(daemon, registry, "v2")

        daemon.answers("team/greet", "two", within=60)

    def test_wrong_bytes_under_a_right_digest_are_refused(
        self, daemon: Daemon, registry: StubRegistry
    ) -> None:
        """And not taken later either, once the registry is well."""
        registry.play(flip, on="/blobs/", times=1000)
        _deploy(daemon, registry, "v2")
        daemon.failing("team/greet", "digest-mismatch")
        assert daemon.run("team/greet", "hi").json() == "one"

        registry.end_of_faults()

        daemon.answers("team/greet", "two", within=60)

    def test_a_missing_tag_is_served_once_it_is_pushed(
        self, daemon: Daemon, registry: StubRegistry
    ) -> None:
        """The edit came before the build was done."""
        _deploy(daemon, registry, "v3")
        daemon.failing("team/greet", "not-in-registry")

        registry.put("skills/greet", "v3", saying("three"))

        daemon.answers("team/greet", "three", within=60)

    def test_a_wiped_cache_is_filled_again(self, daemon: Daemon, registry: StubRegistry) -> None:
        """While it serves: the same version answers on, and the next one is installed."""
        shutil.rmtree(daemon.cache)

        _deploy(daemon, registry, "v2")

        daemon.answers("team/greet", "two")
        assert list((daemon.cache / "skills").glob("*.cwasm"))


def _access(registry: RegistryServer) -> dict[str, object]:
    return {
        "REGISTRY": registry.host,
        "REGISTRY_USER": USER,
        "REGISTRY_PASSWORD": PASSWORD,
        "REGISTRY_CA": registry.ca,
    }


def _publish(registry: RegistryServer, place: Path, binary: bytes, name: str) -> str:
    """Publish with our own command, its password on standard input; returns the digest."""
    file = place / "component.wasm"
    file.write_bytes(binary)
    command = [sys.executable, "-m", "daemon", "publish", str(file)]
    options = ["--user", USER, "--password-stdin", "--ca", str(registry.ca)]
    done = subprocess.run(
        [*command, f"{registry.host}/skills/{name}", *options],
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _deploy(daemon: Daemon, registry: StubRegistry, tag: str) -> None:
    daemon.write(wanting(entry("greet", tag=tag), registry=registry.host))


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
