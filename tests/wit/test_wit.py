"""The WIT worlds, held against componentize-py and against what the public SDK carries."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WIT = ROOT / "wit"
WORLDS = [
    ("unversioned", "skill"),
    ("0.2.10", "skill"),
    *((v, w) for v in ("0.3.11", "0.4.0", "0.5.0") for w in ("skill", "message-stream-skill")),
]


def bindings(version: str, world: str, *flags: str, into: Path) -> subprocess.CompletedProcess[str]:
    """Generate Python bindings, as a Skill's developer would."""
    tool = Path(sys.prefix, "bin", "componentize-py")
    if not tool.exists():
        pytest.skip("componentize-py is missing: make install")
    command = [tool, *flags, "-d", WIT / version, "-w", world, "bindings", into]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("version", "world"), WORLDS)
def test_skills_can_be_built_for_every_world(version: str, world: str, tmp_path: Path) -> None:
    """Each package stands on its own."""
    flags = ["--all-features"] if version == "0.5.0" else []

    done = bindings(version, world, *flags, into=tmp_path / "bindings")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bindings" / "wit_world" / "__init__.py").exists()


def test_the_newest_world_asks_for_consent(tmp_path: Path) -> None:
    """0.5 may still change, so its worlds are behind a feature gate."""
    done = bindings("0.5.0", "skill", into=tmp_path / "bindings")

    assert done.returncode != 0
    assert "alpha" in (WIT / "0.5.0" / "skill.wit").read_text()


def test_the_fifth_world_has_the_content_of_the_fourth() -> None:
    """So far; when this fails on purpose, tell so in the changelog."""
    assert declarations(WIT / "0.5.0" / "skill.wit") == declarations(WIT / "0.4.0" / "skill.wit")


def test_the_third_world_is_that_of_the_public_sdk(sdk_venv: Path) -> None:
    """Names, fields and cases in the same order: components built with it link here."""
    theirs = next(sdk_venv.glob("lib/python3*/site-packages/pharia_skill/wit/skill.wit"))

    assert declarations(WIT / "0.3.11" / "skill.wit") == declarations(theirs)


def declarations(path: Path) -> dict[str, set[str]]:
    """What each interface and world of a WIT file declares; comments and gates left out."""
    text = re.sub(r"//[^\n]*|@\w+(\([^)]*\))?", "", path.read_text())
    text = re.sub(r"\s+", " ", text)
    blocks = re.finditer(r"(?:interface|world) [\w-]+ \{((?:[^{}]|\{[^{}]*\})*)\}", text)
    return {block[0].split("{")[0]: _items(block[1]) for block in blocks}


def _items(body: str) -> set[str]:
    found = re.findall(r"use [^;]*;|(?:record|variant|enum|resource) [^}]*\}|[^;{}]+;", body)
    return {re.sub(r"\s*([{},;:])\s*", r"\1", one).replace(",}", "}").strip() for one in found}
