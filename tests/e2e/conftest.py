"""What end-to-end tests share: a build cache in which the modules of the SDK are compiled."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Skills
from tests.e2e.harness import running
from tests.e2e.skills import wanting


@pytest.fixture(scope="session")
def primed(sdk_skill: Skills, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """`primed(root)`: give a daemon the cache of another that served an SDK-built Skill."""
    origin = tmp_path_factory.mktemp("primed")
    text = wanting("hello", path=sdk_skill("hello").parent)
    with running(origin, PRECOMPILE="split") as daemon:
        daemon.write(text)
        daemon.answers("team/hello", {"text": "Hello you"}, to={"topic": "you"}, within=110)

    def copy(root: Path) -> None:
        shutil.copytree(origin / "cache", root / "cache", ignore=_of_this_daemon)

    return copy


def _of_this_daemon(_: str, names: list[str]) -> list[str]:
    """What was served is its own; components and compiled files are everybody's."""
    return [name for name in names if name == "state"]
