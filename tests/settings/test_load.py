import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import DaemonError
from daemon.secret import Secret
from daemon.settings.load import describe, load
from daemon.settings.model import FIELDS, SECRETS, TABLES, Settings


def test_without_any_source_the_defaults_apply() -> None:
    """The defaults are the contract's."""
    settings = load(environ={}).settings

    assert settings.kernel_address == ("0.0.0.0", 8081)
    assert settings.namespace_update_interval == 10.0
    assert settings.namespaces_root == Path("namespaces")


def test_flags_beat_environment_beats_dotenv_beats_toml() -> None:
    """Each source overrides the next."""
    toml = 'workers = 1\nlog-level = "error"\nbase-repository = "toml"\nregistry = "toml"'
    dotenv = "WORKERS=2\nLOG_LEVEL=debug\nBASE_REPOSITORY=dotenv\n"

    settings = load(
        environ={"WORKERS": "3", "LOG_LEVEL": "info"},
        dotenv_text=dotenv,
        config_text=toml,
        flags={"workers": 4},
    ).settings

    assert settings.workers == 4
    assert settings.log_level == "info"
    assert settings.base_repository == "dotenv"
    assert settings.registry == "toml"


def test_namespaces_nest_by_double_underscores_in_kebab_case() -> None:
    """`MY_TEAM` becomes `my-team`; letters and digits are not torn apart."""
    environ = {
        "NAMESPACES__MY_TEAM1__CONFIG_URL": "https://example.org/n.toml",
        "NAMESPACES__MY_TEAM1__CONFIG_ACCESS_TOKEN": "hush",
    }

    settings = load(environ=environ, config_text='[namespaces.dev]\ndirectory = "x"').settings

    assert settings.namespaces == {
        "dev": {"directory": "x"},
        "my-team1": {"config-url": "https://example.org/n.toml", "config-access-token": "hush"},
    }


def test_environment_overrides_single_keys_of_a_toml_table() -> None:
    """The rest of the table stays."""
    settings = load(
        environ={"NAMESPACES__A__REGISTRY_USER": "me"},
        config_text='[namespaces.a]\nregistry-user = "you"\nregistry = "r"',
    ).settings

    assert settings.namespaces == {"a": {"registry-user": "me", "registry": "r"}}


@pytest.mark.parametrize(
    ("environ", "toml", "text"),
    [
        ({"WORKERS": "none"}, "", "WORKERS: 'none' is not a whole number"),
        ({"WORKERS": "0"}, "", "WORKERS: it must be at least 1"),
        ({"SKILL_MEMORY": "lots"}, "", "SKILL_MEMORY: 'lots' is not a size"),
        ({"NAMESPACE_UPDATE_INTERVAL": "0s"}, "", "positive duration"),
        ({"OTEL_SAMPLING_RATIO": "2"}, "", "between 0 and 1"),
        ({"KERNEL_ADDRESS": "8081"}, "", "host:port"),
        ({"PRECOMPILE": "maybe"}, "", "tiered, split or whole"),
        ({}, "skil-memory = '1Gi'", "did you mean skill-memory"),
        ({}, "workers = [", "config.toml: "),
        ({"NAMESPACES__A": "x", "NAMESPACES__A__B": "y"}, "", "already set as a plain value"),
    ],
)
def test_a_bad_setting_names_its_source_and_the_way_out(
    environ: dict[str, str], toml: str, text: str
) -> None:
    """One sentence, before anything starts."""
    with pytest.raises(DaemonError, match=re.escape(text)):
        load(environ=environ, config_text=toml)


def test_a_nearly_right_variable_is_reported() -> None:
    """Others are none of our business."""
    warnings = load(environ={"SKILL_MEMRY": "1Gi", "PATH": "/bin"}).warnings

    assert warnings == ("SKILL_MEMRY is not a setting: did you mean SKILL_MEMORY?",)


def test_the_references_names_are_accepted_and_ours_win() -> None:
    """WASMTIME_CACHE_* set the build cache."""
    reference = {"WASMTIME_CACHE_DIR": "a", "WASMTIME_CACHE_SIZE_LIMIT": "2Gi"}

    assert load(environ=reference).settings.skill_build_cache == Path("a")
    assert load(environ=reference).settings.skill_build_cache_size == 2 << 30
    assert load(environ={**reference, "SKILL_BUILD_CACHE": "b"}).settings.skill_build_cache == Path(
        "b"
    )


def test_a_secret_in_a_file_is_read_at_each_use(tmp_path: Path) -> None:
    """So a rotated secret needs no restart."""
    file = tmp_path / "password"
    file.write_text("one\n")
    secret = load(environ={"REGISTRY_PASSWORD_FILE": str(file)}).settings.registry_password

    assert secret.reveal() == "one"

    file.write_text("two\n")

    assert secret.reveal() == "two"


def test_no_secret_is_printed() -> None:
    """Neither plain ones nor those in tables."""
    settings = load(
        environ={
            "REGISTRY_PASSWORD": "hush",
            "OPENAI_INFERENCE__TOKEN": "hush",
            "NAMESPACES__A__CONFIG_ACCESS_TOKEN": "hush",
        },
        config_text='[registries."r:5000"]\nuser = "u"\npassword = "hush"',
    ).settings

    assert "hush" not in str(describe(settings))
    assert "hush" not in repr(settings.registry_password)


def test_no_credentials_in_urls_are_printed() -> None:
    """Some services are given theirs that way."""
    environ = {
        "AUTHORIZATION_URL": "http://u:hush@iam.example.org/a?key=hush",
        "OPENAI_INFERENCE__URL": "https://hush@models.example.org/v1?key=hush",
    }

    shown = {name: value for name, value, _ in describe(load(environ=environ).settings)}

    assert shown["AUTHORIZATION_URL"] == "http://********@iam.example.org/a?********"
    assert "hush" not in shown["OPENAI_INFERENCE"]
    assert "models.example.org/v1" in shown["OPENAI_INFERENCE"]


def test_every_setting_has_a_meaning() -> None:
    """`skilld config` prints it."""
    assert [name for name, _, _ in describe(Settings())] == [
        one.name.upper() for one in fields(Settings)
    ]
    assert all(doc for _, _, doc in describe(Settings()))


@given(st.dictionaries(st.sampled_from([f.name.upper() for f in fields(Settings)]), st.text()))
def test_any_environment_loads_or_is_refused_with_a_sentence(environ: dict[str, str]) -> None:
    """Nothing but DaemonError escapes."""
    try:
        settings = load(environ=environ).settings
    except DaemonError as error:
        assert error.detail
    else:
        assert isinstance(settings.registry_password, Secret)


@pytest.mark.parametrize(
    ("environ", "config", "source"),
    [
        ({"REGISTRY_PASSWORD_FILE": "~nobody-of-this-name/x"}, "", "REGISTRY_PASSWORD_FILE"),
        ({}, 'registry-password-file = "~nobody-of-this-name/x"', "registry-password-file"),
        ({"REGISTRY_CA": "~nobody-of-this-name/x"}, "", "REGISTRY_CA"),
    ],
)
def test_a_home_that_nobody_has_is_a_mistake(
    environ: dict[str, str], config: str, source: str
) -> None:
    """Told with the setting, as all others."""
    with pytest.raises(DaemonError, match=f"{source}: .*: no home directory is known"):
        load(environ=environ, config_text=config)


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - TABLES - SECRETS))
def test_what_config_prints_can_be_set_again(name: str) -> None:
    """As one copies a line of it to `.env`."""
    shown = {one: value for one, value, _ in describe(Settings())}

    again = load(environ={name.upper(): shown[name.upper()]}).settings

    assert getattr(again, name) == getattr(Settings(), name)


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - TABLES))
def test_an_empty_variable_is_an_unset_one(name: str) -> None:
    """As compose files and manifests set those that nobody gave; of a list, it is none."""
    found = getattr(load(environ={name.upper(): ""}).settings, name)

    assert found == (() if name in {"cors_origins", "csi_tools"} else getattr(Settings(), name))
