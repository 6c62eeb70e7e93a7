"""What a registry's answers mean."""

import pytest

from daemon.errors import ErrorKind
from daemon.registries.answers import Challenge, Refusal, challenge, codes, failure

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Basic realm="x"'], Challenge("basic", "x")),
        (["Basic"], Challenge("basic")),
        (
            ['Bearer realm="https://a/t",service="s",scope="repository:a,b:pull,push"'],
            Challenge("bearer", "https://a/t", "s", "repository:a,b:pull,push"),
        ),
        (['bearer Realm="https://a/t", service=s'], Challenge("bearer", "https://a/t", "s")),
        (['Basic realm="x"', 'Bearer realm="y"'], Challenge("bearer", "y")),
        (["Negotiate"], None),
        ([""], None),
        ([], None),
    ],
)
def test_challenges_are_read_as_registries_write_them(
    headers: list[str], expected: Challenge | None
) -> None:
    """Commas within quotes belong to the value."""
    assert challenge(headers) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"errors": [{"code": "DENIED", "message": "x"}, {"code": "A_B"}]}', ("DENIED", "A_B")),
        (b'{"errors": [{"code": "token=abc"}]}', ()),
        (b"<html>", ()),
        (b"", ()),
        (b"[1]", ()),
        (b'{"x":' + b"[" * 100_000, ()),
    ],
)
def test_only_codes_are_taken_from_error_documents(body: bytes, expected: tuple[str, ...]) -> None:
    """What does not look like a code may be anything, also a secret."""
    assert codes(body) == expected


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, ErrorKind.REGISTRY_REFUSED),
        (403, {}, ErrorKind.REGISTRY_REFUSED),
        (404, {}, ErrorKind.NOT_IN_REGISTRY),
        (429, {}, ErrorKind.REGISTRY_RATE_LIMITED),
        (503, {"Retry-After": "1"}, ErrorKind.REGISTRY_RATE_LIMITED),
        (503, {}, ErrorKind.REGISTRY_UNAVAILABLE),
        (500, {}, ErrorKind.REGISTRY_UNAVAILABLE),
        (400, {}, ErrorKind.REGISTRY_UNAVAILABLE),
        (302, {}, ErrorKind.REGISTRY_UNAVAILABLE),
    ],
)
def test_each_status_has_its_kind(status: int, headers: dict[str, str], kind: ErrorKind) -> None:
    """And a text that names the wanted thing and the status."""
    error = failure(Refusal(status, headers), what="h/r:t", login="without credentials", now=NOW)

    assert error.kind is kind
    assert "h/r:t" in error.detail
    assert str(status) in error.detail
