"""System packages that single tests need; they are skipped with the line that installs them."""

import shutil

import pytest


def needs(command: str, *, package: str) -> pytest.MarkDecorator:
    """A mark that skips where *command*, of the Debian *package*, is not installed."""
    return pytest.mark.skipif(
        shutil.which(command) is None,
        reason=f"{command} is missing: sudo apt-get install {package}",
    )
