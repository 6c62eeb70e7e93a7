import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from daemon.settings.model import FIELDS, SECRETS, TABLES


@pytest.fixture
def _elsewhere(tmp_path: Path) -> Iterator[None]:
    """Run in an empty directory: no `.env`, no `config.toml`."""
    with contextlib.chdir(tmp_path):
        yield


def _skilld(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), env=env)


@pytest.mark.usefixtures("_elsewhere")
def test_help_teaches_every_setting() -> None:
    """Secrets and tables are not for command lines."""
    text = _skilld("serve", "--help").output

    for name in FIELDS:
        shown = f"--{name.replace('_', '-')} " in text
        assert shown == (name not in SECRETS | TABLES), name


@pytest.mark.usefixtures("_elsewhere")
def test_config_prints_what_is_in_effect_without_secrets() -> None:
    """Whatever the source."""
    Path(".env").write_text("WORKERS=3\n")
    Path("config.toml").write_text('log-level = "debug"\n')

    text = _skilld("config", env={"REGISTRY_PASSWORD": "hush"}).output

    assert "WORKERS=3\n" in text
    assert "LOG_LEVEL=debug\n" in text
    assert "REGISTRY_PASSWORD=********\n" in text
    assert "hush" not in text


@pytest.mark.usefixtures("_elsewhere")
def test_a_bad_setting_ends_with_status_2_and_a_sentence() -> None:
    """Before anything starts."""
    result = _skilld("config", env={"WORKERS": "none"})

    assert result.exit_code == 2
    assert "WORKERS: 'none' is not a whole number" in result.output


@pytest.mark.usefixtures("_elsewhere")
def test_a_mistyped_setting_is_warned_of() -> None:
    """It would otherwise be silently ignored."""
    assert "did you mean SKILL_MEMORY?" in _skilld("config", env={"SKILL_MEMRY": "1Gi"}).output


@pytest.mark.usefixtures("_elsewhere")
def test_an_unreadable_file_of_settings_is_named() -> None:
    """Not a traceback."""
    Path("config.toml").write_bytes(b"\xff")

    assert "config.toml can't be read" in _skilld("config").output


def test_validate_prints_all_mistakes_and_exits_1(tmp_path: Path) -> None:
    """In compilers' form, on standard error."""
    (tmp_path / "team").mkdir()
    file = tmp_path / "team" / "namespace.toml"
    file.write_text('skils = []\n[registry]\npth = "x"\n')

    result = _skilld("validate", str(tmp_path))

    assert result.exit_code == 1
    assert f"{file}:1:1: skils" in result.output
    assert "did you mean" in result.output


def test_validate_of_good_files_exits_0(tmp_path: Path) -> None:
    """One file will do as well."""
    file = tmp_path / "namespace.toml"
    file.write_text("skills = []\n")

    assert _skilld("validate", str(file)).exit_code == 0


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("half", [["--user", "me"], ["--password-stdin"]])
def test_publish_wants_user_and_password_together(half: list[str]) -> None:
    """Otherwise one would be ignored, or an empty password sent."""
    Path("x.wasm").touch()

    result = _skilld("publish", *half, "x.wasm", "registry.example/team/x:v1")

    assert result.exit_code == 2
    assert "--user and --password-stdin go together" in result.output


@pytest.mark.usefixtures("_elsewhere")
def test_publish_sends_no_empty_password() -> None:
    """As when a secret is not set in CI."""
    Path("x.wasm").touch()

    result = _skilld(
        "publish", "--user", "me", "--password-stdin", "x.wasm", "registry.example/team/x:v1"
    )

    assert result.exit_code == 2
    assert "no password on standard input" in result.output


def test_schema_is_json(tmp_path: Path) -> None:
    """Fit to be redirected into a file."""
    assert _skilld("schema").output.startswith('{\n  "$schema": "http://json-schema.org/draft-04')
