"""
Under which names compiled files are kept. Pure.

A precompiled file is native code for one wasmtime version, set of engine flags, platform and
set of CPU features. All of them are part of its name: after an upgrade the old files are not
found, age and are evicted, and nobody has to clear anything. Leaves out reading these facts
from the machine (`machine`).
"""

import hashlib
import re
from dataclasses import astuple, dataclass

from daemon.component.split import REWRITER
from daemon.names import Digest
from daemon.skill import Variant

ENGINE_FLAGS = "epoch-1"
"""Names what `engine/config.py` sets: raise it with any change there."""


@dataclass(frozen=True, slots=True)
class Build:
    """All that decides what the compiler makes of the same bytes, and who can load it."""

    wasmtime: str
    target: str
    cpu: str
    flags: str = ENGINE_FLAGS
    rewriter: str = REWRITER

    @property
    def fingerprint(self) -> str:
        """16 hex digits that differ whenever any part differs."""
        return hashlib.sha256("\0".join(astuple(self)).encode()).hexdigest()[:16]


def component_file(digest: Digest) -> str:
    """Return where a pulled component is kept, relative to the cache."""
    return f"components/{digest.hex}.wasm"


def skill_file(digest: Digest, variant: Variant, build: Build) -> str:
    """Return where the compiled component of a Skill is kept, relative to the cache."""
    return f"skills/{digest.hex}-{variant}-{build.fingerprint}.cwasm"


def module_file(sha256: str, build: Build) -> str:
    """Return where a compiled shared module is kept; *sha256* (hex) is that of its source."""
    return f"modules/{sha256}-{build.fingerprint}.cwasm"


def digest_hex(name: str) -> str:
    """Return the hex digits at the begin of a file's name: whose component it is or is made of."""
    return re.split(r"[-.]", name.rpartition("/")[2], maxsplit=1)[0]


def artifact_id(digest: Digest, variant: Variant, build: Build) -> str:
    """Return the id of an artifact: what it is made from, and how."""
    return f"{digest.hex}-{variant}-{build.fingerprint}"
