"""
The one set of engine flags, used alike by the compile child and the workers.

A precompiled file only loads under the flags that it was compiled with, so both sides call
`engine()`. `ENGINE_FLAGS` in `build_cache/key.py` names them: raise it with any change here.
"""

import wasmtime


def engine() -> wasmtime.Engine:
    """Return a new engine: epoch interruption on, the on-demand allocator."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    return wasmtime.Engine(config)
