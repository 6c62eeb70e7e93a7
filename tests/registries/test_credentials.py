"""Which credentials a registry gets."""

import json
from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.credentials import Credentials, Login, closest
from daemon.registries.options import RegistryOptions
from daemon.secret import Secret

HOST = "registry.example"


def entry(user: str, *, host: str = HOST, repository: str = "") -> RegistryOptions:
    """What an operator set."""
    return RegistryOptions(host, repository, user, Secret("p"))


@pytest.mark.parametrize(
    ("repository", "user"),
    [
        ("greet", "all"),
        ("team/greet", "team"),
        ("team", "team"),
        ("team/inner/greet", "inner"),
        ("teams/greet", "all"),
    ],
)
def test_the_closest_repository_wins(repository: str, user: str) -> None:
    """By whole parts of the path."""
    options = [
        entry("all"),
        entry("inner", repository="/team/inner/"),
        entry("team", repository="team"),
    ]

    found = closest(options, HOST, repository)

    assert found is not None
    assert found.user == user


def test_other_hosts_get_nothing() -> None:
    """Not even the same host on another port."""
    options = [entry("all")]

    assert closest(options, "evil.example", "greet") is None
    assert closest(options, f"{HOST}:5000", "greet") is None


async def test_the_operators_word_goes_before_dockers(tmp_path: Path) -> None:
    """And says where it is from; docker's own word says its file."""
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"auths": {"h": {"auth": "ZG9ja2VyOnA="}, HOST: {"auth": "eDp5"}}})
    )
    credentials = Credentials((entry("all"),), config)

    assert await credentials.find(HOST, "greet") == Login(
        "all", "p", "the user and password of the operator's settings"
    )
    assert await credentials.find("h", "greet") == Login("docker", "p", f"login of {config}")
    assert await credentials.find("unknown", "greet") is None


async def test_without_a_config_access_is_anonymous(tmp_path: Path) -> None:
    """A missing file is the common case, not an error."""
    assert await Credentials((), tmp_path / "none.json").find(HOST, "greet") is None


async def test_a_secret_is_read_at_each_use(tmp_path: Path) -> None:
    """Rotation needs no restart."""
    secret = tmp_path / "password"
    credentials = Credentials((RegistryOptions(HOST, user="u", password=Secret(file=secret)),))
    for word in ("one", "two"):
        secret.write_text(word)
        login = await credentials.find(HOST, "greet")

        assert login is not None
        assert login.password == word


async def test_a_secret_that_can_not_be_read_is_refused_access(tmp_path: Path) -> None:
    """The text names the file."""
    password = Secret(file=tmp_path / "gone")
    credentials = Credentials((RegistryOptions(HOST, user="u", password=password),))

    with pytest.raises(DaemonError, match="gone can't be read") as caught:
        await credentials.find(HOST, "greet")

    assert caught.value.kind is ErrorKind.REGISTRY_REFUSED


def test_a_login_does_not_show() -> None:
    """But in the header it is for."""
    login = Login("u", "hidden", "here")

    assert "hidden" not in repr(login)
    assert login.basic == "Basic dTpoaWRkZW4="
    assert login.identity_token is None
    assert Login("<token>", "refresh", "here").identity_token == "refresh"
