"""
Reads what this machine contributes to the cache key.

Leaves out asking wasmtime itself: the parent process never loads it.
"""

import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from daemon.build_cache.key import Build

_CPU_INFO = Path("/proc/cpuinfo")


def this_build(cpu_info: Path = _CPU_INFO) -> Build:
    """Return the build of this process: installed wasmtime, platform, CPU features."""
    return Build(
        wasmtime=version("wasmtime"),
        target=f"{platform.machine()}-{sys.platform}",
        cpu=cpu_features(cpu_info.read_text() if cpu_info.exists() else platform.processor()),
    )


def cpu_features(cpu_info: str) -> str:
    """Return a short hash of the features that all CPUs have; order does not matter."""
    common: set[str] | None = None
    for line in cpu_info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            features = set(value.split())
            common = features if common is None else common & features
    text = " ".join(sorted(common)) if common is not None else cpu_info
    return hashlib.sha256(text.encode()).hexdigest()[:16]
