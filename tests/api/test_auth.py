import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from daemon.api.auth import Anyone, Iam, Remember
from daemon.api.ports import Authorizer
from daemon.errors import DaemonError, ErrorKind
from tests.api.conftest import Serve
from tests.fakes_api import TokenList
from tests.iam_stub import IamStub


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def stub() -> AsyncIterator[IamStub]:
    """An identity service that knows one user who may, and one who may not."""
    async with IamStub(tokens={"good": ["KernelAccess"], "other": ["SomethingElse"]}) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """The time by which answers are forgotten."""
    return Clock()


@pytest.fixture
async def iam(stub: IamStub, clock: Clock) -> AsyncIterator[Iam]:
    """The real client of that service."""
    made = Iam(stub.url + "/", timeout=5, remember=Remember(granted=10, refused=2), clock=clock)
    yield made
    await made.close()


async def refusal(authorizer: Authorizer, token: str | None) -> ErrorKind:
    """Why *token* may not call."""
    with pytest.raises(DaemonError) as caught:
        await authorizer.check(token)
    return caught.value.kind


async def test_asks_for_the_permission_with_the_callers_token(iam: Iam, stub: IamStub) -> None:
    """Path, header and body are the contract."""
    await iam.check("good")

    (asked,) = stub.asked
    assert asked.path == "/check_user"
    assert asked.authorization == "Bearer good"
    assert asked.body == {"permissions": [{"permission": "KernelAccess"}]}


async def test_a_missing_token_is_not_even_asked_about(iam: Iam, stub: IamStub) -> None:
    """The service has nothing to say about it."""
    assert await refusal(iam, None) is ErrorKind.TOKEN_MISSING
    assert stub.asked == []


@pytest.mark.parametrize("token", ["unknown", "other"])
async def test_unknown_tokens_and_lacking_permissions_are_refused(iam: Iam, token: str) -> None:
    """A 200 with another permission list is a refusal."""
    assert await refusal(iam, token) is ErrorKind.TOKEN_REFUSED


async def test_a_403_of_the_service_is_a_refusal(iam: Iam, stub: IamStub) -> None:
    """Not an outage."""
    stub.status = 403
    assert await refusal(iam, "good") is ErrorKind.TOKEN_REFUSED


@pytest.mark.parametrize("status", [302, 422, 500, 503])
async def test_other_statuses_mean_that_nobody_knows(iam: Iam, stub: IamStub, status: int) -> None:
    """Neither granted nor refused, and not remembered."""
    stub.status = status
    assert await refusal(iam, "good") is ErrorKind.AUTHORIZATION_UNAVAILABLE
    stub.status = None
    await iam.check("good")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"sub":"x"}'])
async def test_an_answer_that_makes_no_sense_grants_nothing(
    iam: Iam, stub: IamStub, body: bytes
) -> None:
    """A proxy's page with status 200 lets nobody in."""
    stub.body = body
    assert await refusal(iam, "good") is ErrorKind.AUTHORIZATION_UNAVAILABLE


async def test_a_service_that_hangs_is_given_up(stub: IamStub) -> None:
    """Within the time-out."""
    stub.release = asyncio.Event()
    iam = Iam(stub.url, timeout=0.05)
    assert await refusal(iam, "good") is ErrorKind.AUTHORIZATION_UNAVAILABLE
    await iam.close()


async def test_a_service_that_is_gone_is_reported_without_the_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once, not with each caller."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        iam = Iam(f"http://127.0.0.1:{taken.getsockname()[1]}")
        for _ in range(2):
            assert await refusal(iam, "good") is ErrorKind.AUTHORIZATION_UNAVAILABLE
        await iam.close()

    assert caplog.text.count("tokens can't be checked") == 1
    assert "good" not in caplog.text


async def test_answers_are_remembered_for_a_while(iam: Iam, stub: IamStub, clock: Clock) -> None:
    """Refusals for less long."""
    for _ in range(3):
        await iam.check("good")
        await refusal(iam, "unknown")
    assert len(stub.asked) == 2

    clock.now = 3
    await iam.check("good")
    await refusal(iam, "unknown")
    assert len(stub.asked) == 3

    clock.now = 11
    await iam.check("good")
    assert len(stub.asked) == 4


async def test_callers_with_one_token_share_one_check(iam: Iam, stub: IamStub) -> None:
    """Also when the first of them leaves."""
    stub.release = asyncio.Event()
    first, *others = [asyncio.ensure_future(iam.check("good")) for _ in range(5)]
    await stub.arrived.wait()

    first.cancel()
    stub.release.set()
    await asyncio.gather(*others)

    assert len(stub.asked) == 1


async def test_without_a_service_anyone_may_call() -> None:
    """With and without token."""
    await Anyone().check(None)
    await Anyone().check("any")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token-missing"),
        ({"Authorization": "Basic eDp5"}, 401, "token-missing"),
        ({"Authorization": "Bearer bad"}, 403, "token-refused"),
        ({"Authorization": "Bearer "}, 401, "token-missing"),
    ],
)
async def test_guarded_routes_refuse_without_a_good_token(
    serve: Serve, headers: dict[str, str], status: int, code: str
) -> None:
    """Before anything else is looked at."""
    running = await serve(authorizer=TokenList("good"))

    async with running.http.post("/v1/skills/Bad!/x/run", headers=headers) as answer:
        assert answer.status == status
        assert (await answer.json(content_type=None))["code"] == code
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/livez",
        "/readyz",
        "/skill.wit",
        "/wit/0.4",
        "/openapi.json",
        "/openapi.yaml",
        "/api-docs",
        "/api-docs/swagger-ui.css",
        "/problems/internal",
    ],
)
async def test_open_routes_need_no_token(serve: Serve, path: str) -> None:
    """Probes and documentation."""
    running = await serve(authorizer=TokenList("good"))

    async with running.http.get(path) as answer:
        assert answer.status == 200


async def test_an_outage_of_the_service_says_when_to_try_again(serve: Serve) -> None:
    """503, not 500."""
    async with IamStub(status=500) as stub:
        iam = Iam(stub.url)
        running = await serve(authorizer=iam)
        async with running.http.get("/v1/skills", headers={"Authorization": "Bearer x"}) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        await iam.close()
