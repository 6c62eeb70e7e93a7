import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.encoding import MIN_COMPRESSED, compress, decompress, decompress_now
from daemon.errors import DaemonError, ErrorKind
from daemon.invoke import Described
from tests.api.conftest import Serve
from tests.fakes_api import ScriptedSkills

METADATA = "/v1/skills/team/echo/metadata"
LIMIT = 1 << 20


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "deflate"]))
def test_what_was_compressed_comes_back(body: bytes, coding: str) -> None:
    """Any bytes, the empty ones too."""
    assert decompress_now(compress(body, coding), coding, limit=LIMIT) == body


def test_bare_deflate_is_understood() -> None:
    """Some clients leave the zlib frame out."""
    packer = zlib.compressobj(wbits=-15)
    bare = packer.compress(b"hello") + packer.flush()

    assert decompress_now(bare, "deflate", limit=LIMIT) == b"hello"


@pytest.mark.parametrize("size", [100, 100_000])
async def test_the_limit_is_exact(size: int) -> None:
    """Here and in a thread."""
    body = gzip.compress(bytes(size))
    assert len(await decompress(body, "gzip", limit=size)) == size
    with pytest.raises(DaemonError) as caught:
        await decompress(body, "gzip", limit=size - 1)
    assert caught.value.kind is ErrorKind.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize(
    "broken",
    [
        gzip.compress(b"hello")[:-9],
        b"nonsense",
        gzip.compress(b"a") + b"rest",
        gzip.compress(b"") * 99,
    ],
    ids=["cut", "nonsense", "rest", "many parts"],
)
def test_broken_bodies_are_the_callers_mistake(broken: bytes) -> None:
    """Cut off, not compressed at all, followed by something, or absurdly many parts."""
    with pytest.raises(DaemonError) as caught:
        decompress_now(broken, "gzip", limit=LIMIT)
    assert caught.value.kind is ErrorKind.MALFORMED_REQUEST


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [MIN_COMPRESSED, 300_000])
async def test_big_answers_are_compressed(serve: Serve, coding: str, size: int) -> None:
    """For clients that accept it; caches are told that it depends."""
    skills = ScriptedSkills(described={"team/echo": Described("x" * size)})
    running = await serve(skills=skills)

    async with running.http.get(METADATA, headers={"Accept-Encoding": coding}) as answer:
        assert answer.headers["Content-Encoding"] == coding
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert int(answer.headers["Content-Length"]) < size / 10
        assert json.loads(await answer.read())["description"] == "x" * size


@pytest.mark.parametrize(("size", "accepted"), [(100, "gzip"), (5000, "identity"), (5000, "br")])
async def test_others_are_left_alone(serve: Serve, size: int, accepted: str) -> None:
    """Small ones, and those for clients that take no coding of ours."""
    running = await serve(skills=ScriptedSkills(described={"team/echo": Described("x" * size)}))

    async with running.http.get(METADATA, headers={"Accept-Encoding": accepted}) as answer:
        assert "Content-Encoding" not in answer.headers


async def test_a_long_error_is_compressed_too(serve: Serve) -> None:
    """Its media type is JSON as well."""
    running = await serve()

    async with running.http.get(f"/{'x' * 3000}", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert (await answer.json(content_type=None))["status"] == 404
