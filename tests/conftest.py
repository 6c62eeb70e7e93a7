"""
What all tests share: components built from Python, and a check that no task outlives its test.

Components are built when the first test asks for one (`scripts/build_skills.py`); where their
tools are missing, the test is skipped with the line that installs them.
"""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ROOT / "skill_build_cache"

Skills = Callable[[str], Path]


@pytest.fixture(scope="session")
def sdk_venv() -> Path:
    """The environment with the public SDK; it pins old versions, so it is not ours."""
    venv = ROOT / ".venv-sdk"
    if not (venv / "bin" / "pharia-skill").exists():
        pytest.skip("the public SDK is missing: make sdk")
    return venv


@pytest.fixture(scope="session")
def sdk_skill(sdk_venv: Path) -> Skills:
    """`sdk_skill("hello")`: the component that the SDK makes of `tests/skills_sdk/hello.py`."""
    return _built(ROOT / "tests" / "skills_sdk", COMPONENTS / "sdk")


@pytest.fixture(scope="session")
def world_skill() -> Skills:
    """`world_skill("first_world")`: built without SDK from `tests/skills_worlds/first_world.py`."""
    return _built(ROOT / "tests" / "skills_worlds", COMPONENTS / "worlds")


@pytest.fixture(scope="session")
def example_skill() -> Skills:
    """`example_skill("greet")`: the component of the example `skills/greet.py`."""
    return _built(ROOT / "skills", COMPONENTS / "dev")


def _built(sources: Path, components: Path) -> Skills:
    if not Path(sys.prefix, "bin", "componentize-py").exists():
        pytest.skip("componentize-py is missing: make install")
    command = [sys.executable, str(ROOT / "scripts" / "build_skills.py"), str(sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def component(name: str) -> Path:
        path = components / f"{name}.wasm"
        assert path.exists(), f"no {sources.name}/{name}.py"
        return path

    return component


@pytest.fixture(autouse=True)
def _no_leaked_tasks(request: pytest.FixtureRequest) -> None:
    """Fail a test that leaves tasks behind, once its fixtures are gone."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_tasks_at_the_end")


@pytest.fixture
async def _no_tasks_at_the_end() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:  # what is about to end may end; what waits for something does not
        _, left = await asyncio.wait(left, timeout=1)
    assert not left, f"tasks outlive the test: {sorted(task.get_name() for task in left)}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips`: for CI, where everything is installed."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With `--no-skips`, report a skip as the failure that it hides."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, with --no-skips: {report.longrepr}"
    return report
