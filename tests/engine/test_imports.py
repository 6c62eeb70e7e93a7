"""Our tables of host functions are those of `wit/`, checked with components built against it."""

from pathlib import Path

import pytest
from wasmtime import component

from daemon.engine.imports import track
from daemon.engine.loaded import Loader
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import World
from tests.engine.conftest import Load, run
from tests.wat import components


def test_a_track_is_shared_by_compatible_versions() -> None:
    """And by nothing else."""
    assert track("a:b/c@0.3.7") == track("a:b/c@0.3.11") != track("a:b/c@0.4.0")
    assert track("csi") == "csi"


@pytest.mark.parametrize(
    "imported",
    [
        '(import "csi-of-my-own" (instance))',
        '(import "csi" (func))',
        '(import "wasi:http/types@0.2.0" (instance))',
        '(import "pharia:skill/tool@0.5.0" (instance (export "list-tools" (func))))',
        '(import "pharia:skill/tool@0.4.0" (instance (export "no-tools" (func))))',
        '(import "pharia:skill/csi@0.1.0" (instance (export "complete" (func))))',
    ],
)
def test_what_is_not_offered_or_differs_is_named(load: Load, imported: str) -> None:
    """When the Skill is loaded, not in the midst of a call."""
    with pytest.raises(DaemonError) as caught:
        load(components.function(imports=imported))

    assert caught.value.kind is ErrorKind.MISSING_IMPORT
    assert imported.split('"')[1] in caught.value.detail


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "world", "text", "answer"),
    [
        ("second_world", World.V0_2, None, None),
        ("fifth_world", World.V0_5, None, None),
        ("rogue", World.V0_4, b"[1]", b"[1]"),
    ],
)
def test_components_built_against_our_wit_are_accepted(
    request: pytest.FixtureRequest,
    load: Load,
    name: str,
    world: World,
    text: bytes | None,
    answer: bytes | None,
) -> None:
    """They import every interface of their world, with its types."""
    built: Path = request.getfixturevalue("world_skill")(name)

    skill = load(built.read_bytes(), world=world)

    if text is not None:
        assert run(skill, text) == answer


@pytest.mark.real
def test_the_sdk_and_we_agree_on_world_0_3(
    request: pytest.FixtureRequest, loader: Loader, load: Load
) -> None:
    """A Skill built by the public SDK imports all of it."""
    built: Path = request.getfixturevalue("sdk_skill")("hello")

    skill = load(built.read_bytes(), world=World.V0_3)

    assert run(skill, b'{"topic":"Bob"}') == b'{"text":"Hello Bob"}'
    assert isinstance(skill.owners[0], component.Component)
