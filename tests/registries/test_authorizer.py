"""Answers to challenges, against the stub's token server."""

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from yarl import URL

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.answers import Challenge
from daemon.registries.authorizer import Authorizer, Form
from daemon.registries.credentials import Credentials
from daemon.registries.network import open_session
from daemon.registries.options import Patience, RegistryOptions
from daemon.registries.tokens import Scope
from daemon.secret import Secret
from tests.registry_stub import StubRegistry

SCOPE = Scope("team/greet")
BASIC = Challenge("basic")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session as registries have it."""
    async with open_session(Patience()) as opened:
        yield opened


def authorizer(
    session: aiohttp.ClientSession, *, login: tuple[str, str] | None = None
) -> Authorizer:
    """The authorizer of `registry.example`."""

    async def ask(
        method: str, url: URL, headers: Mapping[str, str], form: Form | None
    ) -> aiohttp.ClientResponse:
        return await session.request(method, url, headers=headers, data=form)

    options = [RegistryOptions("registry.example", "", *_login(login))] if login else []
    return Authorizer(
        "registry.example",
        credentials=Credentials(tuple(options)),
        ask=ask,
        limit=1000,
        clock=lambda: 0.0,
    )


def _login(login: tuple[str, str]) -> tuple[str, Secret]:
    return login[0], Secret(login[1])


def bearer(stub: StubRegistry, scope: str = "") -> Challenge:
    """A challenge that leads to the stub's token server."""
    return Challenge("bearer", f"http://{stub.host}/token?old=1", "a service", scope)


async def test_a_basic_challenge_is_answered_with_the_login(session: aiohttp.ClientSession) -> None:
    """And kept."""
    asked = authorizer(session, login=("u", "p"))

    grant = await asked.answer(BASIC, SCOPE, what="it")

    assert grant.header == "Basic dTpw"
    assert asked.granted(SCOPE) == grant
    assert "the operator's settings" in asked.asked(SCOPE)


async def test_without_a_login_a_basic_challenge_is_refused(session: aiohttp.ClientSession) -> None:
    """There is nothing to answer."""
    with pytest.raises(DaemonError, match="asked without credentials") as caught:
        await authorizer(session).answer(BASIC, SCOPE, what="it")

    assert caught.value.kind is ErrorKind.REGISTRY_REFUSED


async def test_a_token_is_asked_for_with_service_and_scope(
    stub: StubRegistry, session: aiohttp.ClientSession
) -> None:
    """The registry's scope if it names one, else ours; the realm's own query stays."""
    asked = authorizer(session, login=("u", "p"))
    await asked.answer(bearer(stub), SCOPE, what="it")
    await asked.answer(bearer(stub, "repository:other:pull"), SCOPE, what="it")

    first, second = stub.requests("GET", "/token")
    assert dict(first.query) == {
        "old": "1",
        "service": "a service",
        "scope": "repository:team/greet:pull",
    }
    assert second.query["scope"] == "repository:other:pull"
    assert first.authorization == "Basic dTpw"


async def test_an_identity_token_is_exchanged_by_post(session: aiohttp.ClientSession) -> None:
    """It must not stand in a URL."""
    async with StubRegistry(login=("<token>", "refresh"), bearer=True).running() as stub:
        asked = authorizer(session, login=("<token>", "refresh"))
        grant = await asked.answer(bearer(stub), SCOPE, what="it")

    assert grant.header == "Bearer token-1"
    assert [one.method for one in stub.seen] == ["POST"]
