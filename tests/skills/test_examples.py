"""The example files that a newcomer copies have to be right."""

import re
from pathlib import Path

from daemon.namespaces.config import parse
from daemon.namespaces.schema import schema_text
from daemon.settings.load import load

ROOT = Path(__file__).resolve().parent.parent.parent
NAMESPACE = ROOT / "namespaces" / "example" / "namespace.toml"


def test_the_example_namespace_is_valid() -> None:
    """And serves Skills whose source is here."""
    config, problems = parse(NAMESPACE.read_bytes(), file=str(NAMESPACE))

    assert problems == ()
    assert config is not None
    sources = {path.stem for path in (ROOT / "skills").glob("*.py")}
    assert {str(skill.name) for skill in config.skills} == sources


def test_editors_find_a_current_schema() -> None:
    """`make schema` writes it; the example refers to it."""
    reference = NAMESPACE.read_text().splitlines()[0].removeprefix("#:schema ")

    assert (NAMESPACE.parent / reference).read_text() == schema_text()


def test_example_settings_are_valid() -> None:
    """No unknown name, no value that is refused."""
    commented_out = re.compile(r"^#(?=[A-Z_]+=)", re.MULTILINE)
    dotenv = (ROOT / ".env.example").read_text()

    loaded = load(
        environ={},
        dotenv_text=commented_out.sub("", dotenv),
        config_text=(ROOT / "config.example.toml").read_text(),
    )

    assert loaded.warnings == ()
