"""Bearer tokens."""

import pytest

from daemon.registries.tokens import Grants, Scope, Token

PULL = Scope("team/greet")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"token": "t", "expires_in": 300}', Token("t", 290)),
        (b'{"access_token": "t", "expires_in": 300}', Token("t", 290)),
        (b'{"token": "t"}', Token("t", 50)),
        (b'{"token": "t", "expires_in": 4}', Token("t", 2)),
        (b'{"token": "t\\r\\nX-Header: 1"}', None),
        (b"{}", None),
        (b"<html>", None),
        (b'{"x":' + b"[" * 100_000, None),
    ],
)
def test_a_token_is_used_until_shortly_before_it_ends(
    document: bytes, expected: Token | None
) -> None:
    """And only if it can stand in a header."""
    assert Token.read(document) == expected


def test_a_token_does_not_show() -> None:
    """Nor does the header made of it."""
    assert "SECRET" not in repr(Token("SECRET", 1))
    grants = Grants(lambda: 0)
    assert "SECRET" not in repr(grants.put(PULL, header="SECRET", asked="", lifetime=1))


def test_a_grant_holds_for_its_scope_and_time() -> None:
    """Pushing is not pulling."""
    now = 0.0
    grants = Grants(lambda: now)
    granted = grants.put(PULL, header="Bearer t", asked="", lifetime=10)

    assert grants.get(PULL) is granted
    assert grants.get(Scope("team/greet", "pull,push")) is None
    now = 10.0
    assert grants.get(PULL) is None


def test_a_dropped_grant_is_gone() -> None:
    """It was refused."""
    grants = Grants(lambda: 0)
    grants.put(PULL, header="Bearer t", asked="", lifetime=10)
    grants.drop(PULL)

    assert grants.get(PULL) is None
