import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from daemon.api import requests
from daemon.api.ports import Options
from daemon.errors import DaemonError, ErrorKind
from tests.api.conftest import Serve
from tests.fakes_api import ScriptedSkills


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic abc", None),
        ("", None),
    ],
)
def test_only_bearer_tokens_count(header: str, token: str | None) -> None:
    """Anything else is no token, not an error."""
    request = make_mocked_request("GET", "/", {"Authorization": header})
    assert requests.token(request) == token


@pytest.mark.parametrize("stated", ["application/json", "application/problem+json;x=y"])
def test_json_types_are_taken(stated: str) -> None:
    """And anything that says it is JSON inside."""
    requests.check_media_type(make_mocked_request("POST", "/", {"Content-Type": stated}))


@pytest.mark.parametrize("stated", ["text/json", "application/jsonp", "x+json"])
def test_a_wrong_type_names_the_right_one(stated: str) -> None:
    """The text is the fix."""
    with pytest.raises(DaemonError, match="Content-Type: application/json") as caught:
        requests.check_media_type(make_mocked_request("POST", "/", {"Content-Type": stated}))
    assert caught.value.kind is ErrorKind.UNSUPPORTED_MEDIA_TYPE


async def test_an_announced_size_over_the_limit_is_refused_unread(serve: Serve) -> None:
    """The client need not send it all to learn that."""
    running = await serve(skills=ScriptedSkills(), options=Options(body_limit=10))
    reader, writer = await asyncio.open_connection(running.host, running.port)
    writer.write(
        b"POST /v1/skills/team/x/run HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 999999999\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
