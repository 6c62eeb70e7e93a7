import json
from pathlib import Path

import pytest

from daemon import commands
from daemon.build_cache.store import Store
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, SkillPath
from daemon.reconcile.state import SERVED
from daemon.registries.options import RegistryOptions
from daemon.settings.model import Settings
from tests.components import echo
from tests.registry_server import needs_registry, running_registry

DIGEST = Digest("sha256:" + "1" * 64)
OTHER = Digest("sha256:" + "2" * 64)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A cache with two components, of which the first was last served."""
    store = Store(tmp_path / "cache")
    store.open()
    for digest in (DIGEST, OTHER):
        destination = store.component_destination(digest)
        destination.write_bytes(b"component of " + digest.encode())
        store.adopt_component(digest, destination)
    path = SkillPath.parse("team", "greet")
    skill = {"path": {"namespace": path.namespace, "name": path.name}, "registry": {"host": "r"}}
    record = {"revision": "r", "since": "2026-01-01T00:00:00Z", "skill": skill, "digest": DIGEST}
    store.write_state(SERVED, json.dumps([record]).encode())
    store.close()
    return Settings(skill_build_cache=tmp_path / "cache")


async def test_ls_names_files_and_sizes(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """And how full the cache is."""
    assert await commands.cache_list(settings) == 0

    printed = capsys.readouterr().out
    assert "2 files" in printed
    assert "…" not in printed  # no name is cut


async def test_verify_tells_of_damage_and_exits_1(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The damaged file is set aside."""
    assert await commands.cache_verify(settings) == 0
    store = Store(settings.skill_build_cache)
    store.open()
    name = store.entries()[0].name
    store.close()
    (settings.skill_build_cache / name).write_bytes(b"damaged")

    assert await commands.cache_verify(settings) == 1
    assert f"damaged: {name}" in capsys.readouterr().out
    assert await commands.cache_verify(settings) == 0


async def test_prune_keeps_what_was_last_served(settings: Settings) -> None:
    """A restart needs it; `--all` takes it too."""
    await commands.cache_prune(settings, everything=False)
    store = Store(settings.skill_build_cache)
    store.open()
    assert store.component(DIGEST) is not None
    assert store.component(OTHER) is None
    store.close()

    await commands.cache_prune(settings, everything=True)
    store = Store(settings.skill_build_cache)
    store.open()
    assert store.component(DIGEST) is None
    store.close()


async def _publish(settings: Settings, folder: Path, options: RegistryOptions) -> int:
    """Publish a component as the user that *options* name."""
    file = folder / "echo.wasm"
    file.write_bytes(echo())
    return await commands.publish(
        settings,
        file,
        f"{options.host}/team/echo:v1",
        user=options.user,
        password=options.password.reveal(),
        plain_http=False,
        ca=options.ca,
        force=False,
    )


@needs_registry[0]
@needs_registry[1]
async def test_publish_prints_the_digest_to_pin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard output, alone."""
    with running_registry(tmp_path / "registry") as registry:
        status = await _publish(Settings(), tmp_path, registry.options)

    assert status == 0
    assert Digest(capsys.readouterr().out.strip())


@needs_registry[0]
@needs_registry[1]
async def test_publish_goes_by_the_user_that_is_given(tmp_path: Path) -> None:
    """Also where the settings name another one for just this repository."""
    with running_registry(tmp_path / "registry") as registry:
        options = registry.options
        other = {
            "skills": [],
            "registry": options.host,
            "base-repository": "team/echo",
            "registry-user": "other",
            "registry-password": "of another one",
        }
        status = await _publish(Settings(namespaces={"team": other}), tmp_path, options)

    assert status == 0


async def test_publish_refuses_a_place_that_is_none() -> None:
    """With the right form."""
    with pytest.raises(DaemonError, match="REGISTRY/REPOSITORY/NAME:TAG") as caught:
        await commands.publish(
            Settings(),
            Path("x.wasm"),
            "https://r/x",
            user=None,
            password=None,
            plain_http=False,
            ca=None,
            force=False,
        )
    assert caught.value.kind is ErrorKind.CONFIGURATION
