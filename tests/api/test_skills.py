import asyncio
import gzip
import io
import json
import zlib
from typing import Any

import pytest
from yarl import URL

from daemon.api.ports import Options
from daemon.errors import DaemonError, ErrorKind
from daemon.invoke import Described
from daemon.names import Namespace, SkillPath
from tests.api.conftest import Serve
from tests.fakes_api import BuiltList, ScriptedSkills

JSON = {"Content-Type": "application/json"}
RUN = "/v1/skills/team/echo/run"


async def echo(body: bytes) -> bytes:
    """Answer what was asked."""
    return body


def failing(error: BaseException) -> Any:
    """A function that fails with *error*."""

    async def fail(_: bytes) -> bytes:
        raise error

    return fail


def echoing(**more: Any) -> ScriptedSkills:
    """One Skill, `team/echo`."""
    return ScriptedSkills(functions={"team/echo": echo} | more)


async def test_json_passes_through_byte_for_byte(serve: Serve) -> None:
    """Neither spaces nor key order nor big numbers change."""
    running = await serve(skills=echoing())
    body = b'{ "b":1e400,\n "a": 12345678901234567890 }'

    async with running.http.post(RUN, data=body, headers=JSON) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert await answer.read() == body


async def test_caller_carries_namespace_token_and_trace(serve: Serve) -> None:
    """What a backend needs to know of the caller travels with the call."""
    skills = echoing()
    running = await serve(skills=skills)
    headers = {
        "Authorization": "Bearer abc",
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "baggage": "x=1",
    }

    async with running.http.post(RUN, data=b"1", headers=JSON | headers):
        pass

    caller = skills.callers[0]
    assert caller.namespace == Namespace("team")
    assert caller.token == "abc"
    assert dict(caller.trace) == {
        "traceparent": headers["traceparent"],
        "baggage": "x=1",
    }


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (ErrorKind.SKILL_FAILED, 400),
        (ErrorKind.INVALID_INPUT, 422),
        (ErrorKind.INPUT_VIOLATES_SCHEMA, 422),
        (ErrorKind.MALFORMED_REQUEST, 400),
        (ErrorKind.SKILL_NOT_FOUND, 404),
        (ErrorKind.SKILL_IS_STREAM, 409),
        (ErrorKind.INVALID_OUTPUT, 500),
        (ErrorKind.CSI_UPSTREAM, 502),
        (ErrorKind.STARTING, 503),
        (ErrorKind.TOO_MANY_CALLS, 429),
        (ErrorKind.DEADLINE_EXCEEDED, 504),
    ],
)
async def test_errors_have_their_status_and_code(
    serve: Serve, kind: ErrorKind, status: int
) -> None:
    """The table of `api/errors.py`, seen from outside."""
    running = await serve(skills=ScriptedSkills({"team/echo": failing(DaemonError(kind, "why"))}))

    async with running.http.post(RUN, data=b"1", headers=JSON) as answer:
        problem = json.loads(await answer.read())

    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == kind.value
    assert problem["type"] == f"/problems/{kind.value}"
    assert problem["status"] == status
    assert problem["detail"] == "why"
    assert (problem["namespace"], problem["skill"]) == ("team", "echo")


@pytest.mark.parametrize("path", ["/v1/skills/Team/echo/run", "/v1/skills/team/a%20b/run"])
async def test_bad_names_are_400(serve: Serve, path: str) -> None:
    """Names are checked before the body."""
    running = await serve()

    async with running.http.post(
        URL(running.url + path, encoded=True), data=b"1", headers=JSON
    ) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["code"] == "malformed-request"


@pytest.mark.parametrize("stated", ["text/plain", "application/x-www-form-urlencoded", "json", ""])
async def test_other_media_types_are_415(serve: Serve, stated: str) -> None:
    """A form or bare text is no JSON, whatever it holds."""
    running = await serve(skills=echoing())

    async with running.http.post(RUN, data=b"1", headers={"Content-Type": stated}) as answer:
        assert answer.status == 415


@pytest.mark.parametrize(
    "stated", ["application/json; charset=utf-8", "Application/JSON", "application/ld+json"]
)
async def test_json_media_types_are_taken(serve: Serve, stated: str) -> None:
    """Parameters, case and `+json` types are fine."""
    running = await serve(skills=echoing())

    async with running.http.post(RUN, data=b"1", headers={"Content-Type": stated}) as answer:
        assert answer.status == 200


async def test_body_over_the_limit_is_413(serve: Serve) -> None:
    """Announced by Content-Length or found out while reading."""
    running = await serve(skills=echoing(), options=Options(body_limit=1000))

    async def chunks() -> Any:
        yield b"1" * 1001

    for body in (b"1" * 1001, chunks()):
        async with running.http.post(RUN, data=body, headers=JSON) as answer:
            assert answer.status == 413
    async with running.http.post(RUN, data=b"1" * 1000, headers=JSON) as answer:
        assert answer.status == 200


async def test_body_of_50_mib_passes(serve: Serve) -> None:
    """The default limit lets the contract's 50 MiB through, both ways."""
    running = await serve(skills=echoing())
    body = b'"' + b"x" * ((50 << 20) - 2) + b'"'

    async with running.http.post(RUN, data=io.BytesIO(body), headers=JSON) as answer:
        assert await answer.read() == body


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("gzip", lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:])),
    ],
)
async def test_compressed_bodies_are_taken(serve: Serve, coding: str, pack: Any) -> None:
    """Also gzip in several members."""
    running = await serve(skills=echoing())
    body = json.dumps(list(range(40_000))).encode()

    headers = JSON | {"Content-Encoding": coding, "Accept-Encoding": "identity"}
    async with running.http.post(RUN, data=pack(body), headers=headers) as answer:
        assert await answer.read() == body


async def test_a_zip_bomb_is_413(serve: Serve) -> None:
    """The limit is on what comes out."""
    running = await serve(skills=echoing(), options=Options(body_limit=1 << 20))
    bomb = gzip.compress(b"0" * (64 << 20))
    assert len(bomb) < 1 << 20

    headers = JSON | {"Content-Encoding": "gzip"}
    async with running.http.post(RUN, data=bomb, headers=headers) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(("coding", "status"), [("gzip", 400), ("br", 415)])
async def test_a_body_that_cannot_be_decompressed_is_refused(
    serve: Serve, coding: str, status: int
) -> None:
    """Broken data is the caller's mistake, an unknown coding is not supported."""
    running = await serve(skills=echoing())

    headers = JSON | {"Content-Encoding": coding}
    async with running.http.post(RUN, data=b"not packed", headers=headers) as answer:
        assert answer.status == status


async def test_a_client_that_leaves_cancels_the_call(serve: Serve) -> None:
    """No guest runs for nobody."""
    started = asyncio.Event()

    async def hang(_: bytes) -> bytes:
        started.set()
        await asyncio.Event().wait()
        return b""

    skills = ScriptedSkills({"team/echo": hang})
    running = await serve(skills=skills)
    _, writer = await asyncio.open_connection(running.host, running.port)
    writer.write(
        f"POST {RUN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 1\r\n\r\n1".encode()
    )
    await started.wait()

    writer.close()

    await asyncio.wait_for(skills.cancelled.wait(), 5)


async def test_a_bug_is_500_without_its_inside(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the traceback, the client does not."""
    running = await serve(skills=ScriptedSkills({"team/echo": failing(KeyError("secret"))}))

    async with running.http.post(RUN, data=b"1", headers=JSON) as answer:
        text = await answer.text()

    assert answer.status == 500
    assert json.loads(text)["code"] == "internal"
    assert "secret" not in text
    assert "KeyError" in caplog.text


async def test_metadata_has_all_five_members(serve: Serve) -> None:
    """Unknown members are null, in the contract's order."""
    skills = ScriptedSkills(described={"team/echo": Described("Echoes", "0.4")})
    running = await serve(skills=skills)

    async with running.http.get("/v1/skills/team/echo/metadata") as answer:
        assert await answer.text() == (
            '{"description":"Echoes","version":"0.4","skill_type":"function",'
            '"input_schema":null,"output_schema":null}'
        )


async def test_type_must_be_known(serve: Serve) -> None:
    """A typing mistake does not list everything."""
    running = await serve()

    async with running.http.get("/v1/skills?type=odd") as answer:
        assert answer.status == 400


async def test_cached_skills_are_listed_and_discarded(serve: Serve) -> None:
    """The texts are the contract's."""
    built = BuiltList(SkillPath.parse("team", "b"), SkillPath.parse("team", "a"))
    running = await serve(built=built)

    async with running.http.get("/cached_skills") as answer:
        assert await answer.json() == ["team/a", "team/b"]
    async with running.http.delete("/cached_skills/team/a") as answer:
        assert await answer.json() == "Skill removed from cache"
    async with running.http.delete("/cached_skills/team/a") as answer:
        assert await answer.json() == "Skill was not present in cache"
