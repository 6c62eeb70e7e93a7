"""Skills in an OCI registry, against a stub that misbehaves and a real docker-registry."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillName, Tag
from daemon.registries.base import Registry
from daemon.registries.options import RegistryOptions
from daemon.registries.publish import publish
from daemon.registries.reference import Reference
from daemon.registries.registries import Registries
from daemon.skill import RegistryRef
from tests import registry_stub as stubbed
from tests.registries.conftest import HASTY
from tests.registry_server import RegistryServer, needs_registry, running_registry
from tests.registry_stub import Fault, StubRegistry

GREET, V1 = SkillName("greet"), Tag("v1")
COMPONENT = b"\0asm\x0d\0\x01\0" + bytes(range(256)) * 1000
NOWHERE = Digest("sha256:" + "0" * 64)


@pytest.fixture
async def registry(stub: StubRegistry, registries: Registries) -> Registry:
    """The repository `team` of the stub."""
    return registries.get(RegistryRef(host=stub.host, repository="team"))


async def failure(
    of: Registry, destination: Path | None = None, digest: Digest = NOWHERE
) -> DaemonError:
    """The error of a resolve, or of a pull where there is a destination."""
    with pytest.raises(DaemonError) as caught:
        if destination is None:
            await of.resolve(GREET, V1)
        else:
            await of.pull(GREET, digest, destination)
    assert "SECRET" not in caught.value.detail
    return caught.value


def names_in(directory: Path) -> list[str]:
    """What lies in *directory*."""
    return [one.name for one in directory.iterdir()]


# Resolving.


async def test_resolves_a_tag_by_head_alone(stub: StubRegistry, registry: Registry) -> None:
    """A poll costs one request without a body."""
    digest = stub.put("team/greet", V1, COMPONENT)

    assert await registry.resolve(GREET, V1) == digest
    assert [one.method for one in stub.seen] == ["HEAD"]


@pytest.mark.parametrize(
    "fault", [stubbed.answer(405), stubbed.answer(404), stubbed.without_digest]
)
async def test_falls_back_to_get_where_head_can_not_tell(
    stub: StubRegistry, registry: Registry, fault: Fault
) -> None:
    """Proxies that refuse HEAD, and registries that leave the digest out, are no obstacle."""
    digest = stub.put("team/greet", V1, COMPONENT)
    stub.play(fault, method="HEAD")

    assert await registry.resolve(GREET, V1) == digest
    assert [one.method for one in stub.seen] == ["HEAD", "GET"]


async def test_an_unknown_tag_is_not_in_the_registry(
    stub: StubRegistry, registry: Registry
) -> None:
    """The error names repository and tag, and what the registry calls it."""
    stub.put("team/greet", "v2", COMPONENT)

    error = await failure(registry)

    assert error.kind is ErrorKind.NOT_IN_REGISTRY
    assert f"{stub.host}/team/greet:v1" in error.detail
    assert "MANIFEST_UNKNOWN" in error.detail


async def test_an_unknown_repository_is_not_in_the_registry(registry: Registry) -> None:
    """It is told apart from a missing tag."""
    error = await failure(registry)

    assert error.kind is ErrorKind.NOT_IN_REGISTRY
    assert "no such repository" in error.detail


async def test_a_web_server_that_is_no_registry_is_told(
    stub: StubRegistry, registry: Registry
) -> None:
    """A plain 404 hints at a wrong host."""
    stub.play(stubbed.answer(404), times=2)

    error = await failure(registry)

    assert error.kind is ErrorKind.NOT_IN_REGISTRY
    assert "not that of an OCI registry" in error.detail


async def test_a_name_that_no_registry_can_hold_is_refused_without_asking(
    stub: StubRegistry, registry: Registry
) -> None:
    """Upper case is fine for a Skill, but not for a repository."""
    with pytest.raises(DaemonError, match="lower-case") as caught:
        await registry.resolve(SkillName("Greet"), V1)

    assert caught.value.kind is ErrorKind.NOT_IN_REGISTRY
    assert not stub.seen


# Whatever goes wrong has a kind and a text, and is over once the registry is well again.


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (stubbed.answer(500), ErrorKind.REGISTRY_UNAVAILABLE, "500"),
        (stubbed.answer(503), ErrorKind.REGISTRY_UNAVAILABLE, "503"),
        (stubbed.answer(429), ErrorKind.REGISTRY_RATE_LIMITED, "429"),
        (stubbed.answer(403, "DENIED"), ErrorKind.REGISTRY_REFUSED, "without credentials"),
        (stubbed.answer(401, "UNAUTHORIZED"), ErrorKind.REGISTRY_REFUSED, "without credentials"),
        (stubbed.hang, ErrorKind.REGISTRY_UNAVAILABLE, "did not answer in time"),
        (stubbed.disconnect, ErrorKind.REGISTRY_UNAVAILABLE, "broke off"),
        (stubbed.redirect("{path}"), ErrorKind.REGISTRY_UNAVAILABLE, "redirects"),
        (stubbed.redirect("ftp://elsewhere.example/"), ErrorKind.REGISTRY_UNAVAILABLE, "refers"),
    ],
)
async def test_a_failed_answer_has_its_kind_and_is_recovered_from(
    stub: StubRegistry, registry: Registry, fault: Fault, kind: ErrorKind, text: str
) -> None:
    """The next attempt after the fault succeeds, on the same object."""
    digest = stub.put("team/greet", V1, COMPONENT)
    stub.play(fault, times=20)

    error = await failure(registry)
    stub.end_of_faults()

    assert error.kind is kind
    assert text in error.detail
    assert f"{stub.host}/team/greet:v1" in error.detail
    assert await registry.resolve(GREET, V1) == digest


async def test_a_rate_limit_says_when_to_come_back(stub: StubRegistry, registry: Registry) -> None:
    """Not only with 429: a registry under maintenance says 503."""
    for status in (429, 503):
        stub.play(stubbed.answer(status, headers={"Retry-After": "17"}))

        error = await failure(registry)

        assert error.kind is ErrorKind.REGISTRY_RATE_LIMITED
        assert error.retry_after == 17


async def test_a_registry_that_is_down_is_unavailable_until_it_is_back() -> None:
    """Nothing has to be restarted but the registry."""
    other = StubRegistry()
    async with other.running():
        digest = other.put("greet", V1, COMPONENT)
    async with Registries(options=[other.options], patience=HASTY) as registries:
        registry = registries.get(RegistryRef(host=other.host))

        error = await failure(registry)
        async with other.running():
            assert await registry.resolve(GREET, V1) == digest

    assert error.kind is ErrorKind.REGISTRY_UNAVAILABLE
    assert "no connection" in error.detail


# Pulling.


async def test_pulls_a_component_byte_for_byte(
    stub: StubRegistry, registry: Registry, tmp_path: Path
) -> None:
    """What arrives is what was published, and nothing lies beside it."""
    digest = stub.put("team/greet", V1, COMPONENT)

    await registry.pull(GREET, digest, tmp_path / "greet.wasm")

    assert (tmp_path / "greet.wasm").read_bytes() == COMPONENT
    assert names_in(tmp_path) == ["greet.wasm"]


async def test_a_transfer_leaves_nothing_whenever_it_is_cancelled(
    stub: StubRegistry, tmp_path: Path
) -> None:
    """Also while a thread opens or writes its file."""
    digest = stub.put("greet", V1, COMPONENT)
    async with Registries(options=[stub.options], patience=HASTY) as registries:
        registry = registries.get(RegistryRef(host=stub.host))
        for turns in range(0, 200, 4):
            pull = asyncio.create_task(registry.pull(GREET, digest, tmp_path / "greet.wasm"))
            for _ in range(turns):
                await asyncio.sleep(0)
            pull.cancel()
            await asyncio.wait([pull])

            assert set(names_in(tmp_path)) <= {"greet.wasm"}


async def test_slow_transfers_take_no_time_from_a_question(
    stub: StubRegistry, tmp_path: Path
) -> None:
    """Who bounds how many there are is the one who asks; none waits here for a connection."""
    digest = stub.put("greet", V1, COMPONENT)
    stub.play(stubbed.hang, on="blobs", times=16)
    patience = replace(HASTY, idle=10, answer=0.5)
    async with Registries(options=[stub.options], patience=patience) as registries:
        registry = registries.get(RegistryRef(host=stub.host))
        async with asyncio.TaskGroup() as group:
            slow = [
                group.create_task(registry.pull(GREET, digest, tmp_path / f"{one}.wasm"))
                for one in range(16)
            ]
            while len(stub.requests("GET", "blobs")) < 8:  # noqa: ASYNC110
                await asyncio.sleep(0)

            assert await registry.resolve(GREET, V1) == digest

            for one in slow:
                one.cancel()


@pytest.mark.parametrize(
    ("faulty", "kind", "text"),
    [
        ((stubbed.flip, "manifests"), ErrorKind.DIGEST_MISMATCH, "manifest"),
        ((stubbed.body(b"{}"), "manifests"), ErrorKind.DIGEST_MISMATCH, "manifest"),
        ((stubbed.body(b" " * (4 << 20) + b"{}"), "manifests"), ErrorKind.TOO_LARGE, "larger"),
        ((stubbed.flip, "blobs"), ErrorKind.DIGEST_MISMATCH, "sha256"),
        ((stubbed.zip_it, "blobs"), ErrorKind.DIGEST_MISMATCH, "compressed"),
        ((stubbed.body(COMPONENT + b"more"), "blobs"), ErrorKind.DIGEST_MISMATCH, "longer"),
        ((stubbed.answer(404, "BLOB_UNKNOWN"), "blobs"), ErrorKind.NOT_IN_REGISTRY, "BLOB_UNKNOWN"),
        ((stubbed.answer(500), "blobs"), ErrorKind.REGISTRY_UNAVAILABLE, "500"),
        ((stubbed.hang, "blobs"), ErrorKind.REGISTRY_UNAVAILABLE, "did not answer in time"),
        ((stubbed.stall(1000), "blobs"), ErrorKind.REGISTRY_UNAVAILABLE, "did not answer in time"),
        ((stubbed.cut(0), "blobs"), ErrorKind.REGISTRY_UNAVAILABLE, "broke off"),
        ((stubbed.body(COMPONENT[:9]), "blobs"), ErrorKind.REGISTRY_UNAVAILABLE, "broke off at 9"),
    ],
)
async def test_a_bad_transfer_leaves_no_file_and_is_recovered_from(
    stub: StubRegistry,
    registry: Registry,
    tmp_path: Path,
    faulty: tuple[Fault, str],
    kind: ErrorKind,
    text: str,
) -> None:
    """The destination appears complete or not at all."""
    digest = stub.put("team/greet", V1, COMPONENT)
    stub.play(faulty[0], on=faulty[1], times=20)

    error = await failure(registry, tmp_path / "greet.wasm", digest)
    stub.end_of_faults()

    assert error.kind is kind
    assert text in error.detail
    assert not names_in(tmp_path)
    await registry.pull(GREET, digest, tmp_path / "greet.wasm")
    assert (tmp_path / "greet.wasm").read_bytes() == COMPONENT


async def test_a_component_over_the_limit_is_not_even_requested(
    stub: StubRegistry, registry: Registry, tmp_path: Path
) -> None:
    """The manifest's size decides before a byte travels."""
    layer = stub.put_blob(b"small", "application/wasm") | {"size": 9 << 20}
    digest = stub.put("team/greet", V1, b"", layers=[layer])

    error = await failure(registry, tmp_path / "greet.wasm", digest)

    assert error.kind is ErrorKind.TOO_LARGE
    assert not stub.requests("GET", "blobs")


async def test_several_layers_are_a_bad_artifact(
    stub: StubRegistry, registry: Registry, tmp_path: Path
) -> None:
    """A container image is not a Skill."""
    layer = stub.put_blob(COMPONENT, "application/wasm")
    digest = stub.put("team/greet", V1, b"", layers=[layer, layer])

    error = await failure(registry, tmp_path / "greet.wasm", digest)

    assert error.kind is ErrorKind.BAD_ARTIFACT
    assert "2 layers" in error.detail


async def test_an_index_is_followed_to_its_only_wasm_manifest(
    stub: StubRegistry, registry: Registry, tmp_path: Path
) -> None:
    """Build tools that always write an index are served; the index' digest is the Skill's."""
    manifest = stub.put("team/greet", "inner", COMPONENT)
    entry = {"mediaType": stubbed.MANIFEST, "digest": manifest, "size": 1}
    other = entry | {"digest": NOWHERE, "platform": {"architecture": "amd64", "os": "linux"}}
    wasm = entry | {"platform": {"architecture": "wasm", "os": "wasip2"}}
    index = {"schemaVersion": 2, "mediaType": stubbed.INDEX, "manifests": [other, wasm]}
    digest = stub.put_manifest("team/greet", V1, json.dumps(index).encode(), stubbed.INDEX)

    assert await registry.resolve(GREET, V1) == digest
    await registry.pull(GREET, digest, tmp_path / "greet.wasm")

    assert (tmp_path / "greet.wasm").read_bytes() == COMPONENT


async def test_an_index_of_itself_ends(
    stub: StubRegistry, registry: Registry, tmp_path: Path
) -> None:
    """Indexes are followed once."""
    inner = {"schemaVersion": 2, "manifests": [{"mediaType": stubbed.MANIFEST, "digest": NOWHERE}]}
    digest = stub.put_manifest("team/greet", "inner", json.dumps(inner).encode())
    outer = {"schemaVersion": 2, "manifests": [{"mediaType": stubbed.MANIFEST, "digest": digest}]}
    digest = stub.put_manifest("team/greet", V1, json.dumps(outer).encode())

    error = await failure(registry, tmp_path / "greet.wasm", digest)

    assert error.kind is ErrorKind.BAD_ARTIFACT
    assert "index of indexes" in error.detail


# A real registry.


class TestDockerRegistry:
    """The same over TLS, with a login, against Debian's docker-registry."""

    pytestmark = needs_registry

    async def test_publishes_resolves_and_pulls(self, real: RegistryServer, tmp_path: Path) -> None:
        """The whole way of a component."""
        async with Registries(options=[real.options]) as registries:
            published = await publish_to(real, registries, COMPONENT, tmp_path)
            registry = registries.get(RegistryRef(host=real.host, repository="team"))

            assert await registry.resolve(GREET, V1) == published
            await registry.pull(GREET, published, tmp_path / "greet.wasm")

        assert (tmp_path / "greet.wasm").read_bytes() == COMPONENT

    async def test_a_wrong_password_is_refused_and_not_told(self, real: RegistryServer) -> None:
        """The error names where the credentials came from."""
        options = RegistryOptions(real.host, user="x", password=real.options.password, ca=real.ca)
        async with Registries(options=[options]) as registries:
            error = await failure(registries.get(RegistryRef(host=real.host, repository="team")))

        assert error.kind is ErrorKind.REGISTRY_REFUSED
        assert "the user and password of the operator's settings" in error.detail
        assert options.password.reveal() not in error.detail

    async def test_an_untrusted_certificate_hints_at_the_setting(
        self, real: RegistryServer
    ) -> None:
        """The CA is per registry: another one's is of no use."""
        others = RegistryOptions("registry.example", ca=real.ca)
        async with Registries(options=[others]) as registries:
            error = await failure(registries.get(RegistryRef(host=real.host)))

        assert error.kind is ErrorKind.REGISTRY_UNAVAILABLE
        assert "set `ca` for this registry" in error.detail

    async def test_plain_http_to_a_tls_port_is_told(self, real: RegistryServer) -> None:
        """The other way round than usual: the answer is a 400 in plain text."""
        options = RegistryOptions(real.host, plain_http=True)
        async with Registries(options=[options]) as registries:
            error = await failure(registries.get(RegistryRef(host=real.host)))

        assert error.kind is ErrorKind.REGISTRY_UNAVAILABLE
        assert "400" in error.detail

    async def test_bytes_that_rot_on_its_disk_are_noticed(
        self, real: RegistryServer, tmp_path: Path
    ) -> None:
        """docker-registry itself serves them without a word."""
        rotting = COMPONENT + b"rotting"
        async with Registries(options=[real.options]) as registries:
            digest = await publish_to(real, registries, rotting, tmp_path)
            real.damage(stubbed.sha256(rotting))
            registry = registries.get(RegistryRef(host=real.host, repository="team"))

            error = await failure(registry, tmp_path / "greet.wasm", digest)

        assert error.kind is ErrorKind.DIGEST_MISMATCH
        assert "greet.wasm" not in names_in(tmp_path)

    async def test_a_restart_is_survived(self, tmp_path: Path) -> None:
        """Down means unavailable; up again, on the same port, means served again."""
        with running_registry(tmp_path / "registry") as server:
            async with Registries(options=[server.options]) as registries:
                published = await publish_to(server, registries, COMPONENT, tmp_path)
                registry = registries.get(RegistryRef(host=server.host, repository="team"))
                server.stop()

                error = await failure(registry)
                server.start()

                assert await registry.resolve(GREET, V1) == published
        assert error.kind is ErrorKind.REGISTRY_UNAVAILABLE


async def publish_to(
    server: RegistryServer, registries: Registries, component: bytes, directory: Path
) -> Digest:
    """Publish *component* as `team/greet:v1`."""
    file = directory / "source.wasm"
    file.write_bytes(component)
    reference = Reference(server.host, "team/greet", V1)
    return await publish(registries.client(server.host), file, reference, force=True)
