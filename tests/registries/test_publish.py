"""Publishing to a real docker-registry, by us and by the public CLI."""

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillName, Tag
from daemon.registries.client import Request
from daemon.registries.manifest import ACCEPT
from daemon.registries.options import RegistryOptions
from daemon.registries.publish import pack, publish
from daemon.registries.reference import Reference
from daemon.registries.registries import Registries
from daemon.registries.tokens import Scope
from daemon.secret import Secret
from daemon.skill import RegistryRef
from tests.conftest import Skills
from tests.registry_server import RegistryServer, needs_registry
from tests.registry_stub import StubRegistry, answer

V1 = Tag("v1")


class TestDockerRegistry:
    """Against Debian's docker-registry, over TLS, with a login."""

    pytestmark = needs_registry

    @pytest.mark.real
    async def test_the_public_cli_publishes_what_we_pull(
        self, real: RegistryServer, sdk_venv: Path, sdk_skill: Skills, tmp_path: Path
    ) -> None:
        """A Skill built and published with nothing but the SDK."""
        skill = sdk_skill("hello")
        publish_with_cli(real, sdk_venv, skill)
        async with Registries(options=[real.options]) as registries:
            registry = registries.get(RegistryRef(host=real.host, repository="cli/skills"))
            digest = await registry.resolve(SkillName("hello"), V1)
            await registry.pull(SkillName("hello"), digest, tmp_path / "hello.wasm")

        assert (tmp_path / "hello.wasm").read_bytes() == skill.read_bytes()

    @pytest.mark.real
    async def test_we_publish_what_the_public_cli_would(
        self, real: RegistryServer, sdk_venv: Path, sdk_skill: Skills
    ) -> None:
        """The manifests differ in nothing but the date in the config."""
        skill = sdk_skill("hello")
        publish_with_cli(real, sdk_venv, skill)
        packed = pack(skill)

        theirs = await fetch_json(real, "cli/skills/hello", "manifests/v1")
        config = await fetch_json(real, "cli/skills/hello", f"blobs/{theirs['config']['digest']}")
        ours = msgspec.json.decode(packed.manifest)
        for manifest in (ours, theirs):
            manifest["config"].pop("digest")
            manifest["config"].pop("size")
        described = msgspec.json.decode(packed.config)

        assert ours == theirs
        assert described["layerDigests"] == config["layerDigests"]
        assert described["component"]["imports"] == config["component"]["imports"]
        assert set(described["component"]["exports"]) == set(config["component"]["exports"])

    async def test_publishing_again_changes_nothing(
        self, real: RegistryServer, tmp_path: Path
    ) -> None:
        """The same file has the same digest, so nobody deploys again."""
        async with Registries(options=[real.options]) as registries:
            digests = {await publish_file(registries, real.host, tmp_path) for _ in range(2)}

        assert len(digests) == 1

    async def test_progress_ends_with_all_bytes(self, real: RegistryServer, tmp_path: Path) -> None:
        """Also where they were there already."""
        heard: list[tuple[int, int]] = []
        file = tmp_path / "other.wasm"
        file.write_bytes(b"\0asm" + bytes(3 << 20))
        reference = Reference.parse(f"{real.host}/team/other:v1")
        async with Registries(options=[real.options]) as registries:
            for _ in range(2):
                await publish(
                    registries.client(real.host),
                    file,
                    reference,
                    force=True,
                    progress=lambda sent, total: heard.append((sent, total)),
                )

        size = file.stat().st_size
        assert heard[0] == (0, size)
        assert heard[-2:] == [(size, size), (size, size)]

    async def test_a_wrong_password_is_refused(self, real: RegistryServer, tmp_path: Path) -> None:
        """Before a byte of the component travels."""
        wrong = RegistryOptions(real.host, user="x", password=Secret("y"), ca=real.ca)
        async with Registries(options=[wrong]) as registries:
            with pytest.raises(DaemonError, match="refused access") as caught:
                await publish_file(registries, real.host, tmp_path)

        assert caught.value.kind is ErrorKind.REGISTRY_REFUSED


@pytest.mark.parametrize("content", [b"", b"no wasm", b"\0asm\x01\0\0\0"])
def test_what_is_no_component_is_refused_unless_forced(tmp_path: Path, content: bytes) -> None:
    """A core module or a wrong file is noticed before anyone deploys it."""
    file = tmp_path / "wrong.wasm"
    file.write_bytes(content)

    with pytest.raises(DaemonError) as caught:
        pack(file)

    assert caught.value.kind is ErrorKind.NOT_A_COMPONENT
    assert pack(file, force=True).component == content


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(DaemonError, match=r"gone\.wasm can't be read: No such file"):
        pack(tmp_path / "gone.wasm")


async def test_a_registry_that_takes_no_uploads_is_told(
    stub: StubRegistry, registries: Registries, tmp_path: Path
) -> None:
    """For example one that is read-only."""
    stub.play(answer(405, "UNSUPPORTED"), on="uploads", method="POST")

    with pytest.raises(DaemonError, match="405 UNSUPPORTED") as caught:
        await publish_file(registries, stub.host, tmp_path)

    assert caught.value.kind is ErrorKind.REGISTRY_UNAVAILABLE


async def publish_file(registries: Registries, host: str, directory: Path) -> Digest:
    """Publish some bytes as `team/some:v1`."""
    file = directory / "some.wasm"
    file.write_bytes(b"\0asm")
    os.utime(file, (10**9, 10**9))
    reference = Reference(host, "team/some", V1)
    return await publish(registries.client(host), file, reference, force=True)


def publish_with_cli(server: RegistryServer, sdk: Path, skill: Path) -> None:
    """Publish *skill* as `cli/skills/<its name>:v1`, as a Skill developer does."""
    path = f"{sdk / 'bin'}:{os.environ['PATH']}"
    environment = {**server.publishing, "SKILL_REPOSITORY": "cli/skills", "PATH": path}
    command = [str(sdk / "bin" / "pharia-skill"), "publish", str(skill)]
    command += ["--name", skill.stem, "--tag", V1]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def fetch_json(server: RegistryServer, repository: str, path: str) -> Any:
    """What the registry has at *path*."""
    request = Request(
        "GET",
        f"{repository}/{path}",
        Scope(repository),
        path,
        headers={"Accept": ACCEPT},
    )
    async with Registries(options=[server.options]) as registries:
        _, body = await registries.client(server.host).read(request, limit=1 << 20)
    return msgspec.json.decode(body)
