"""Which world a component speaks."""

import pytest

from daemon.component.worlds import detect
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, World
from tests.components import HANDLER, STREAM, component, exporting


@pytest.mark.parametrize(
    ("version", "world"),
    [
        ("0.2.0", World.V0_2),
        ("0.2.10", World.V0_2),
        ("0.3.0", World.V0_3),
        ("0.3.11", World.V0_3),
        ("0.4.0", World.V0_4),
        ("0.5.0", World.V0_5),
    ],
)
def test_every_patch_of_a_served_minor_is_served_by_its_newest(version: str, world: World) -> None:
    """Semver: the newest patch is compatible with all older ones."""
    assert detect(exporting(f"pharia:skill/skill-handler@{version}")) == (world, SkillKind.FUNCTION)


def test_the_interface_tells_the_kind() -> None:
    """A message stream answers on another route."""
    assert detect(exporting(STREAM)) == (World.V0_3, SkillKind.MESSAGE_STREAM)


@pytest.mark.parametrize("version", ["0.2.11", "0.3.12", "0.4.1", "0.5.1", "0.6.0", "1.0.0"])
def test_a_newer_version_is_not_supported_yet(version: str) -> None:
    """The text names the version and both ways out."""
    with pytest.raises(DaemonError, match=version) as caught:
        detect(exporting(f"pharia:skill/skill-handler@{version}"))

    assert caught.value.kind is ErrorKind.WORLD_NOT_YET_SUPPORTED
    assert "update skilld" in caught.value.detail


@pytest.mark.parametrize("version", ["0.5.0-rc.1", "one", "0.4"])
def test_a_version_that_is_no_release_is_not_supported(version: str) -> None:
    """Nobody promises what a pre-release contains."""
    with pytest.raises(DaemonError) as caught:
        detect(exporting(f"pharia:skill/skill-handler@{version}"))

    assert caught.value.kind is ErrorKind.WORLD_NOT_YET_SUPPORTED


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9", "0.1.99"])
def test_an_older_version_is_no_longer_supported(version: str) -> None:
    """The way out is a newer SDK."""
    with pytest.raises(DaemonError, match="upgrade the SDK") as caught:
        detect(exporting(f"pharia:skill/skill-handler@{version}"))

    assert caught.value.kind is ErrorKind.WORLD_NO_LONGER_SUPPORTED


def test_a_wrong_version_fails_whatever_the_interface() -> None:
    """The version is looked at before the name."""
    with pytest.raises(DaemonError) as caught:
        detect(exporting("pharia:skill/something@9.9.9", HANDLER))

    assert caught.value.kind is ErrorKind.WORLD_NOT_YET_SUPPORTED


def test_unknown_interfaces_are_skipped() -> None:
    """Other packages, other interfaces, and interfaces without a version do not matter."""
    others = ["wasi:cli/run@0.2.0", "pharia:skill/other@0.3.0", "pharia:skill/skill-handler"]

    assert detect(exporting(*others, HANDLER)) == (World.V0_3, SkillKind.FUNCTION)


def test_a_component_without_our_interfaces_has_no_world() -> None:
    """The text says what is missing."""
    with pytest.raises(DaemonError, match="skill-handler") as caught:
        detect(exporting("wasi:cli/run@0.2.0"))

    assert caught.value.kind is ErrorKind.NO_SUPPORTED_WORLD


def test_the_first_world_exports_run_at_its_root() -> None:
    """Before packages had versions, a Skill was a single function."""
    first = component(
        """(component
          (core module $m (func (export "run") (param i32 i32) (result i32) i32.const 0)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
            (memory (export "memory") 1))
          (core instance $i (instantiate $m))
          (func $run (param "in" string) (result string)
            (canon lift (core func $i "run") (memory (core memory $i "memory"))
              (realloc (core func $i "realloc"))))
          (export "run" (func $run)))"""
    )

    assert detect(first) == (World.V0_1, SkillKind.FUNCTION)


def test_a_core_module_is_told_apart() -> None:
    """A common mistake gets its own text."""
    with pytest.raises(DaemonError, match="core WebAssembly module") as caught:
        detect(component("(module)"))

    assert caught.value.kind is ErrorKind.NOT_A_COMPONENT
