"""Compiled components for tests, kept by content so that real Skills compile only once."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from wasmtime import component

from daemon.build_cache.key import ENGINE_FLAGS
from daemon.engine.config import engine


def compiled(source: str | bytes, cache: Path) -> Path:
    """Return the precompiled file of a component, text or binary, below *cache*."""
    data = source.encode() if isinstance(source, str) else source
    key = hashlib.sha256(data + ENGINE_FLAGS.encode() + version("wasmtime").encode()).hexdigest()
    path = cache / f"{key}.cwasm"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(component.Component(engine(), source).serialize())
        temporary.rename(path)
    return path
