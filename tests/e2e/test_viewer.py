"""The page that explains the API, as a browser shows it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Daemon, running
from tests.needs import needs

# As root there is no sandbox; what a browser asks of its maker at start would only wait here.
_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One without any Skill."""
    with running(tmp_path_factory.mktemp("viewer")) as daemon:
        yield daemon


@needs("chromium", package="chromium")
@pytest.mark.timeout(120)
def test_a_browser_shows_each_route_of_the_document(daemon: Daemon, tmp_path: Path) -> None:
    """With the viewer's own scripts only, which read this version of OpenAPI."""
    shown = _dom("http://{}:{}/api-docs".format(*daemon.address), tmp_path)

    for path in daemon.get("/openapi.json").json()["paths"]:
        assert f'data-path="{path}"' in shown


def _dom(url: str, home: Path) -> str:
    """The page's elements, ten virtual seconds after it was opened."""
    command = ["chromium", *_QUIET, f"--user-data-dir={home}", "--virtual-time-budget=10000"]
    done = subprocess.run(
        [*command, "--dump-dom", url], capture_output=True, text=True, timeout=100, check=True
    )
    return done.stdout
