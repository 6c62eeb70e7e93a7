from pathlib import Path

import pytest

from daemon.names import Namespace
from daemon.namespaces.operator import (
    InPlace,
    RemoteNamespace,
    WatchedDirectory,
    logins,
    parse_operators,
)
from daemon.skill import RegistryRef


def test_the_three_kinds_are_told_apart() -> None:
    """By their key, in the contract's order."""
    operators, problems = parse_operators(
        {
            "remote": {
                "config-url": "https://example.org/n.toml",
                "config-access-token": "hush",
                "registry": "r.example.org",
                "base-repository": "skills",
                "registry-user": "me",
                "registry-password": "secret",
            },
            "dev": {"directory": "skills", "native-tools": ["add"]},
            "here": {"skills": [{"name": "a"}], "path": "/srv/skills"},
        }
    )

    assert problems == ()
    remote = operators[Namespace("remote")]
    assert isinstance(remote, RemoteNamespace)
    assert remote.token.reveal() == "hush"
    assert remote.registry == RegistryRef(host="r.example.org", repository="skills")
    assert operators[Namespace("dev")] == WatchedDirectory(Path("skills"), ("add",))
    here = operators[Namespace("here")]
    assert isinstance(here, InPlace)
    assert here.config.registry == RegistryRef(directory=Path("/srv/skills"))
    assert [one.user for one in logins(operators)] == ["me"]


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({"directroy": "x"}, "namespaces.a.directroy", "unknown key"),
        ({"config-url": "ftp://x"}, "namespaces.a.config-url", "starts with"),
        ({"directory": 3}, "namespaces.a.directory", "path in quotes"),
        ({"directory": "~nobody-of-this-name"}, "namespaces.a.directory", "no home directory"),
        ({"directory": "x", "registry": "h"}, "namespaces.a.registry", "unknown key"),
        ({"skills": 3}, "namespaces.a.skills", "must be a list"),
        ({"skills": [{"name": "x", "tga": 1}]}, "namespaces.a.skills[0].tga", "unknown key"),
        (
            {"skills": [], "registry": "h", "registry-user": "me"},
            "namespaces.a.registry-password",
            "missing",
        ),
        ({"skills": [], "registry-user": "me", "registry-password": "x"}, None, "registry"),
        ("text", "namespaces.a", "must be a table"),
    ],
)
def test_mistakes_name_their_key(table: object, key: str | None, words: str) -> None:
    """A namespace with a mistake is not taken."""
    operators, problems = parse_operators({"a": table})

    assert operators == {}
    assert any(words in one.message for one in problems)
    assert key is None or key in {one.key for one in problems}


def test_a_bad_namespace_name_is_reported_and_spares_the_others() -> None:
    """The rule is part of the text."""
    operators, (problem,) = parse_operators({"A_B": {"directory": "x"}, "b": {"directory": "x"}})

    assert list(operators) == ["b"]
    assert "lower-case" in problem.message
