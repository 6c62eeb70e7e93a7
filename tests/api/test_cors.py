from daemon.api.ports import Options
from daemon.skill import MessageBegin
from tests.api.conftest import Serve
from tests.api.test_streams import JSON, STREAM, saying, talking

APP = "https://app.example"
ASK = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}


async def test_it_is_off_by_default(serve: Serve) -> None:
    """No origin is trusted that nobody configured."""
    running = await serve()

    async with running.http.options("/v1/skills", headers=ASK) as answer:
        assert answer.status == 405
    async with running.http.get("/v1/skills", headers={"Origin": APP}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_configured_origin_may_call(serve: Serve) -> None:
    """Preflight, plain answers, errors and streams; never with credentials."""
    skills = talking(saying(MessageBegin()))
    running = await serve(skills=skills, options=Options(cors_origins=(APP,)))

    async with running.http.options("/v1/skills", headers=ASK) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
    for path in ("/v1/skills", "/nothing"):
        async with running.http.get(path, headers={"Origin": APP}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == APP
            assert "Access-Control-Allow-Credentials" not in answer.headers
    async with running.http.post(STREAM, data=b"1", headers=JSON | {"Origin": APP}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == APP


async def test_another_origin_may_not(serve: Serve) -> None:
    """Caches learn that the answer depends on the origin."""
    running = await serve(options=Options(cors_origins=(APP,)))

    other = ASK | {"Origin": "https://evil.example"}
    async with running.http.options("/v1/skills", headers=other) as answer:
        assert answer.status == 405
    async with running.http.get("/v1/skills", headers=other) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


async def test_a_star_lets_every_origin_call(serve: Serve) -> None:
    """If the operator says so."""
    running = await serve(options=Options(cors_origins=("*",)))

    async with running.http.get("/v1/skills", headers={"Origin": "https://any.example"}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://any.example"
