"""The session to registries, and what its failures mean."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.network import (
    open_session,
    read_bounded,
    tls_context,
    translated,
    within,
)
from daemon.registries.options import Patience
from tests.registry_stub import StubRegistry, body

SIGNED = "https://store.example/blob?sig=SECRET"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "in time"),
        (aiohttp.ServerTimeoutError(), "in time"),
        (aiohttp.ServerDisconnectedError(), "broke off"),
        (aiohttp.ClientPayloadError(SIGNED), "broke off"),
        (ConnectionResetError(), "broke off"),
        (ssl.SSLError(), "TLS"),
        (aiohttp.InvalidURL(SIGNED), "HTTP as expected .InvalidUR"),
        (aiohttp.TooManyRedirects(None, ()), "HTTP as expected"),  # type: ignore[arg-type]
    ],
)
def test_failures_are_told_in_our_own_words(error: Exception, text: str) -> None:
    """The library's text may hold a signed URL."""
    with pytest.raises(DaemonError, match=text) as caught, translated("h/r:t"):
        raise error

    assert caught.value.kind is ErrorKind.REGISTRY_UNAVAILABLE
    assert "h/r:t" in caught.value.detail
    assert "SECRET" not in caught.value.detail


def test_our_own_errors_pass_through() -> None:
    """They were told already."""
    error = DaemonError(ErrorKind.CACHE_UNUSABLE, "full")
    with pytest.raises(DaemonError) as caught, translated("h/r:t"):
        raise error

    assert caught.value is error


async def test_an_exchange_that_is_never_done_is_capped() -> None:
    """However busy it is."""
    with pytest.raises(DaemonError, match=r"longer than 0\.01 s"):
        async with within(0.01, "h/r:t"):
            await asyncio.Event().wait()


async def test_a_timeout_from_inside_is_not_taken_for_the_cap() -> None:
    """It has a cause of its own."""
    with pytest.raises(TimeoutError):
        async with within(10, "h/r:t"):
            raise TimeoutError


async def test_reading_stops_beyond_the_limit(stub: StubRegistry) -> None:
    """One byte more tells that there is more."""
    stub.play(body(bytes(1 << 20)))
    async with (
        open_session(Patience()) as session,
        session.get(f"http://{stub.host}/") as response,
    ):
        assert len(await read_bounded(response, 1000)) == 1001


@pytest.mark.parametrize(("content", "text"), [(None, "No such file"), ("x", "not a PEM file")])
def test_a_ca_that_can_not_be_used_is_named(tmp_path: Path, content: str | None, text: str) -> None:
    """It may still come, so it is no configuration error for good."""
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)

    with pytest.raises(DaemonError, match=text) as caught:
        tls_context(ca)

    assert str(ca) in caught.value.detail
