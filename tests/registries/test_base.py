"""That both kinds of registry are what the Protocol says."""

import inspect

import pytest

from daemon.registries.base import Registry
from daemon.registries.directory import DirectoryRegistry
from daemon.registries.oci import OciRegistry


@pytest.mark.parametrize("kind", [DirectoryRegistry, OciRegistry])
@pytest.mark.parametrize("method", ["resolve", "pull"])
def test_signatures_agree(kind: type, method: str) -> None:
    """Callers only know the Protocol."""
    assert inspect.signature(getattr(kind, method)) == inspect.signature(getattr(Registry, method))
