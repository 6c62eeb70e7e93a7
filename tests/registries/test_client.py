"""Authorization, redirects and bounds of one registry's client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillName, Tag
from daemon.registries.base import Registry
from daemon.registries.options import RegistryOptions
from daemon.registries.registries import Registries
from daemon.secret import Secret
from daemon.skill import RegistryRef
from tests import registry_stub as stubbed
from tests.registries.conftest import HASTY
from tests.registry_stub import StubRegistry

GREET, V1 = SkillName("greet"), Tag("v1")
LOGIN = ("robot", "pa55:word")
COMPONENT = b"\0asm component"


@asynccontextmanager
async def asking(stub: StubRegistry, **options: object) -> AsyncIterator[Registry]:
    """The repository `team` of *stub*, for an operator who set *options* for it."""
    entry = replace(stub.options, **options)  # type: ignore[arg-type]
    async with Registries(options=[entry], patience=HASTY) as registries:
        yield registries.get(RegistryRef(host=stub.host, repository="team"))


def with_login(password: Secret | None = None) -> dict[str, object]:
    """The options that fit LOGIN."""
    return {"user": LOGIN[0], "password": password or Secret(LOGIN[1])}


async def test_a_basic_login_is_sent_when_asked_for_and_then_kept() -> None:
    """The challenge costs one round trip, once."""
    stub = StubRegistry(login=LOGIN)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login()) as registry:
        assert await registry.resolve(GREET, V1) == digest
        assert await registry.resolve(GREET, V1) == digest

    assert [one.authorization is not None for one in stub.seen] == [False, True, True]


async def test_a_replaced_password_file_is_read_when_the_old_password_is_refused(
    tmp_path: Path,
) -> None:
    """Rotation needs no restart."""
    secret = tmp_path / "password"
    secret.write_text("pa55:word\n")
    stub = StubRegistry(login=LOGIN)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login(Secret(file=secret))) as registry:
        await registry.resolve(GREET, V1)
        stub.login = (LOGIN[0], "new")
        secret.write_text("new\n")

        assert await registry.resolve(GREET, V1) == digest


async def test_a_refused_password_is_not_tried_twice(tmp_path: Path) -> None:
    """Registries lock accounts after a few failed logins."""
    stub = StubRegistry(login=LOGIN)
    async with stub.running(), asking(stub, **with_login(Secret("wrong"))) as registry:
        with pytest.raises(DaemonError) as caught:
            await registry.resolve(GREET, V1)

    assert caught.value.kind is ErrorKind.REGISTRY_REFUSED
    assert "wrong" not in caught.value.detail
    assert len([one for one in stub.seen if one.authorization]) == 1


async def test_tokens_are_bought_per_repository() -> None:
    """One repository's token is never shown with another's requests."""
    stub = StubRegistry(login=LOGIN, bearer=True)
    stub.put("team/greet", V1, COMPONENT)
    stub.put("team/other", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login()) as registry:
        for name in ("greet", "other", "greet", "other"):
            await registry.resolve(SkillName(name), V1)

    used = {(one.path, one.authorization) for one in stub.requests("HEAD") if one.authorization}
    assert used == {
        ("/v2/team/greet/manifests/v1", "Bearer token-1"),
        ("/v2/team/other/manifests/v1", "Bearer token-2"),
    }


async def test_an_anonymous_token_is_enough_for_public_skills() -> None:
    """No credentials are needed where none are asked for."""
    stub = StubRegistry(bearer=True)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub) as registry:
        assert await registry.resolve(GREET, V1) == digest


async def test_a_token_that_the_registry_forgot_is_replaced() -> None:
    """401, a fresh token, and on."""
    stub = StubRegistry(login=LOGIN, bearer=True)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login()) as registry:
        await registry.resolve(GREET, V1)
        stub.expire_tokens()

        assert await registry.resolve(GREET, V1) == digest

    assert len(stub.requests("GET", "/token")) == 2


async def test_a_token_server_that_refuses_is_told() -> None:
    """With the source of the credentials, not their value."""
    stub = StubRegistry(login=LOGIN, bearer=True)
    async with stub.running(), asking(stub, **with_login(Secret("hidden"))) as registry:
        with pytest.raises(DaemonError) as caught:
            await registry.resolve(GREET, V1)

    assert caught.value.kind is ErrorKind.REGISTRY_REFUSED
    assert "token server: 401" in caught.value.detail
    assert "the user and password of the operator's settings" in caught.value.detail
    assert "hidden" not in caught.value.detail


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (stubbed.answer(429, headers={"Retry-After": "3"}), ErrorKind.REGISTRY_RATE_LIMITED),
        (stubbed.answer(500), ErrorKind.REGISTRY_UNAVAILABLE),
        (stubbed.body(b"<html>"), ErrorKind.REGISTRY_UNAVAILABLE),
        (stubbed.hang, ErrorKind.REGISTRY_UNAVAILABLE),
    ],
)
async def test_a_token_server_in_trouble_is_recovered_from(
    fault: stubbed.Fault, kind: ErrorKind
) -> None:
    """Its failures have the kinds of the registry's own."""
    stub = StubRegistry(bearer=True)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub) as registry:
        stub.play(fault, on="/token", times=9)
        with pytest.raises(DaemonError) as caught:
            await registry.resolve(GREET, V1)
        stub.end_of_faults()

        assert await registry.resolve(GREET, V1) == digest
    assert caught.value.kind is kind


async def test_a_blob_on_the_same_host_is_redirected_with_the_login(tmp_path: Path) -> None:
    """The registry itself may see its login anywhere."""
    stub = StubRegistry(login=LOGIN)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login()) as registry:
        stub.play(stubbed.redirect("/elsewhere/{name}?sig=SECRET"), on="blobs", method="GET")
        await registry.pull(GREET, digest, tmp_path / "greet.wasm")

    assert [one.authorization is None for one in stub.requests("GET", "/elsewhere")] == [False]


async def test_a_blob_on_another_host_never_sees_the_login(tmp_path: Path) -> None:
    """Registries redirect to object stores with signed URLs of their own."""
    stub = StubRegistry(login=LOGIN)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login()) as registry:
        store = f"http://127.0.0.1:{stub.port}/elsewhere/{{name}}?sig=SECRET"
        stub.play(stubbed.redirect(store), on="blobs", method="GET")
        await registry.pull(GREET, digest, tmp_path / "greet.wasm")

    (seen,) = stub.requests("GET", "/elsewhere")
    assert seen.authorization is None
    assert seen.query == {"sig": "SECRET"}
    assert (tmp_path / "greet.wasm").read_bytes() == COMPONENT


async def test_another_host_can_not_ask_for_the_login(tmp_path: Path) -> None:
    """A challenge counts only from the registry itself."""
    stub = StubRegistry(login=LOGIN)
    digest = stub.put("team/greet", V1, COMPONENT)
    async with stub.running(), asking(stub, **with_login()) as registry:
        store = f"http://127.0.0.1:{stub.port}/elsewhere/{{name}}?sig=SECRET"
        stub.play(stubbed.redirect(store), on="blobs", method="GET")
        challenge = {"WWW-Authenticate": "Basic realm=x"}
        stub.play(stubbed.answer(401, headers=challenge), on="/elsewhere", times=9)
        with pytest.raises(DaemonError) as caught:
            await registry.pull(GREET, digest, tmp_path / "greet.wasm")

    assert caught.value.kind is ErrorKind.REGISTRY_UNAVAILABLE
    assert "127.0.0.1, where the registry redirected" in caught.value.detail
    assert "SECRET" not in caught.value.detail
    assert all(one.authorization is None for one in stub.requests("GET", "/elsewhere"))


async def test_localhost_is_spoken_to_by_tls_unless_told_otherwise() -> None:
    """Plain HTTP is the operator's word, for each registry."""
    stub = StubRegistry()
    async with stub.running(), Registries(patience=HASTY) as registries:
        registry = registries.get(RegistryRef(host=stub.host))
        with pytest.raises(DaemonError, match="set `plain-http` for this registry"):
            await registry.resolve(GREET, V1)


async def test_a_login_for_one_host_is_not_sent_to_another() -> None:
    """A namespace may name any registry; only the operator's words bind a login to one."""
    stub = StubRegistry(login=LOGIN)
    other = RegistryOptions("registry.example", user=LOGIN[0], password=Secret(LOGIN[1]))
    async with (
        stub.running(),
        Registries(options=[other, stub.options], patience=HASTY) as registries,
    ):
        registry = registries.get(RegistryRef(host=stub.host))
        with pytest.raises(DaemonError, match="without credentials"):
            await registry.resolve(GREET, V1)

    assert all(one.authorization is None for one in stub.seen)
