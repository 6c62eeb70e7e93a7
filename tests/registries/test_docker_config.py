"""Logins from docker's config, with real credential helpers."""

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.docker_config import find_login

HOST = "registry.example:5000"


def config(directory: Path, **document: Any) -> Path:
    """A config.json."""
    path = directory / "config.json"
    path.write_text(json.dumps(document))
    return path


def inline(user: str, password: str) -> dict[str, str]:
    """An entry of `auths`."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[Path]:
    """`docker-credential-test` on the path: a script that a test may rewrite."""
    script = tmp_path / "docker-credential-test"
    write(script, 'read host; printf \'{"Username":"u","Secret":"for %s"}\' "$host"')
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{tmp_path}:{before}"
    yield script
    os.environ["PATH"] = before


def write(script: Path, text: str) -> None:
    """Let the helper do *text*."""
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_an_inline_login_is_found(tmp_path: Path) -> None:
    """A password may hold a colon."""
    path = config(tmp_path, auths={HOST: inline("user", "pass:word")})

    assert find_login(path, HOST, "team/greet") == ("user", "pass:word")
    assert find_login(path, "other.example", "team/greet") is None


def test_the_closest_entry_wins(tmp_path: Path) -> None:
    """As podman and its kin write them."""
    entries = {HOST: inline("host", "p"), f"{HOST}/team": inline("team", "p")}
    path = config(tmp_path, auths=entries)

    assert find_login(path, HOST, "team/greet") == ("team", "p")
    assert find_login(path, HOST, "teams/greet") == ("host", "p")


def test_a_helper_is_asked_for_its_host(tmp_path: Path, helper: Path) -> None:
    """The script answers with the host it heard."""
    path = config(tmp_path, credHelpers={HOST: "test"})

    assert find_login(path, HOST, "greet") == ("u", f"for {HOST}")
    assert find_login(path, "other.example", "greet") is None


def test_the_store_is_asked_for_every_host(tmp_path: Path, helper: Path) -> None:
    """It is the fallback of them all."""
    path = config(tmp_path, credsStore="test", auths={HOST: {}})

    assert find_login(path, HOST, "team/greet") == ("u", f"for {HOST}")
    assert find_login(path, "other.example", "greet") == ("u", "for other.example")


def test_an_identity_token_is_told_by_its_user(tmp_path: Path) -> None:
    """As helpers tell it, too."""
    path = config(tmp_path, auths={HOST: {"identitytoken": "refresh"}})

    assert find_login(path, HOST, "greet") == ("<token>", "refresh")


def test_a_helper_without_a_login_is_anonymous(tmp_path: Path, helper: Path) -> None:
    """Docker's helpers say so in words."""
    write(helper, "echo credentials not found in native keychain; exit 1")

    assert find_login(config(tmp_path, credsStore="test"), HOST, "greet") is None


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("exit 3", "exit status 3"),
        ("echo '{}'", "gave no login"),
        ("echo nonsense", "gave no login"),
    ],
)
def test_a_helper_that_fails_is_named(tmp_path: Path, helper: Path, script: str, text: str) -> None:
    """Not taken for anonymous access."""
    write(helper, script)

    with pytest.raises(DaemonError, match=text) as caught:
        find_login(config(tmp_path, credsStore="test"), HOST, "greet")

    assert caught.value.kind is ErrorKind.REGISTRY_REFUSED
    assert "docker-credential-test" in caught.value.detail


def test_a_helper_that_hangs_is_given_up(tmp_path: Path, helper: Path) -> None:
    """It must not hold a thread for ever."""
    write(helper, "exec sleep 60")

    with pytest.raises(DaemonError, match=r"did not answer within 0\.1 s"):
        find_login(config(tmp_path, credsStore="test"), HOST, "greet", patience=0.1)


def test_a_missing_helper_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(DaemonError, match="docker-credential-none can't be run"):
        find_login(config(tmp_path, credsStore="none"), HOST, "greet")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"auths": []}',
        '{"auths": {"registry.example:5000": "x"}}',
        '{"auths": {"registry.example:5000": {"auth": "%%"}}}',
    ],
)
def test_a_config_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    """Never another exception."""
    path = tmp_path / "config.json"
    path.write_text(text)

    with pytest.raises(DaemonError, match=r"config\.json"):
        find_login(path, HOST, "greet")
