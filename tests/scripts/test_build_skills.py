import subprocess
import sys
from pathlib import Path

import pytest

from scripts.build_skills import ROOT, BuildError, Recipe, build, fingerprint, is_current, recipe

SOURCE = "# world: skill@0.4.0\n"


def greeting(tmp_path: Path, text: str = SOURCE) -> Recipe:
    """A recipe whose files are all below *tmp_path*."""
    source = tmp_path / "greeting.py"
    source.write_text(text)
    return Recipe(source, tmp_path / "out" / "greeting.wasm", "skill", "0.4.0")


def pretend_to_build(wanted: Recipe) -> None:
    """Leave behind what a build leaves behind."""
    wanted.target.parent.mkdir(exist_ok=True)
    wanted.target.write_bytes(b"a component")
    wanted.stamp.write_text(fingerprint(wanted))


def test_the_first_line_says_how_to_build() -> None:
    """The world and the package it is of."""
    found = recipe(ROOT / "skills" / "recite.py")

    assert (found.world, found.package) == ("message-stream-skill", "0.4.0")
    assert found.target == ROOT / "skill_build_cache" / "dev" / "recite.wasm"


def test_a_skill_elsewhere_is_refused(tmp_path: Path) -> None:
    """With the folders where Skills live."""
    with pytest.raises(BuildError, match=r"Skills live in skills, tests/skills_sdk"):
        recipe(tmp_path / "greeting.py")


def test_what_was_built_is_current(tmp_path: Path) -> None:
    """Until something that it is made of changes."""
    wanted = greeting(tmp_path)
    assert not is_current(wanted)

    pretend_to_build(wanted)

    assert is_current(wanted)


def test_a_changed_source_is_built_again(tmp_path: Path) -> None:
    """Whatever its modification time."""
    pretend_to_build(greeting(tmp_path))

    assert not is_current(greeting(tmp_path, SOURCE + "# an edit\n"))


def test_another_world_is_built_again(tmp_path: Path) -> None:
    """The WIT is a part of the component."""
    wanted = greeting(tmp_path)
    pretend_to_build(wanted)

    assert not is_current(Recipe(wanted.source, wanted.target, "skill", "0.5.0"))


@pytest.mark.real
def test_a_failed_build_keeps_the_old_component(tmp_path: Path) -> None:
    """And says what is wrong with the source."""
    wanted = greeting(tmp_path, SOURCE + "import no_such_module\n")
    pretend_to_build(wanted)

    with pytest.raises(BuildError, match="no_such_module"):
        build(wanted)

    assert wanted.target.read_bytes() == b"a component"
    assert sorted(path.name for path in wanted.target.parent.iterdir()) == [
        ".greeting.stamp",
        "greeting.wasm",
    ]


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    """The script exits with 1 and no traceback."""
    script = ROOT / "scripts" / "build_skills.py"

    done = subprocess.run(
        [sys.executable, script, tmp_path / "x.py"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
