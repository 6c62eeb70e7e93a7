"""
One instance of a Skill in a store of its own, with caps, ready to be called once.

Leaves out when it may run (`gate`), and what its answer means (`execute`).
"""

import ctypes
from ctypes import addressof, string_at
from typing import Any

from daemon.engine import capi, codec, host

# Far above what compilers make of real programs (2 tables, 10,000 elements, 15 instances), and too
# little to hurt: an element is 8 bytes.
_TABLES, _TABLE_ELEMENTS, _INSTANCES = 50, 200_000, 1_000
_BUFFER = ctypes.create_string_buffer


class Instance:
    """
    Owned by one thread at a time, and by one call in its life.

    Must be made within `call.running` of that call: guests may run code while they start.
    """

    __slots__ = ("_context", "_handle", "_store", "memory")

    def __init__(
        self, *, engine: int, linker: int, component: int, memory: int, memories: int
    ) -> None:
        """
        Instantiate *component* with at most *memory* bytes. Raises WasmError.

        Wasmtime's C API knows a cap per linear memory only, so each of the *memories* gets its
        share, and one more than these is refused.
        """
        self.memory = memory
        self._store = capi.store_new(engine, None, None)
        self._context = capi.store_context(self._store)
        self._handle = _BUFFER(capi.INSTANCE_BYTES)
        try:
            share = memory // memories
            capi.store_limiter(self._store, share, _TABLE_ELEMENTS, _INSTANCES, _TABLES, memories)
            capi.store_on_epoch(self._store, host.on_epoch, None, capi.NO_FINALIZER)
            capi.check(capi.set_wasi(self._context, capi.wasi_new()))
            self.arm()
            capi.check(
                capi.linker_instantiate(linker, self._context, component, addressof(self._handle))
            )
        except BaseException:
            self.close()
            raise

    def arm(self) -> None:
        """Let the next tick come by the call: deadlines in epochs are relative to now."""
        capi.set_epoch_deadline(self._context, 1)

    def own(self, *, number: int, kind: int) -> int:
        """Return an owned handle for the guest; it belongs to the value that it is put in."""
        return host.own(self._context, number=number, kind=kind)

    def call(self, index: int, arguments: Any = None, count: int = 0) -> Any:
        """
        Call the export at *index*; return its result's value, which `release` must get.

        *arguments* is a buffer of *count* values, deleted here. Raises WasmError.
        """
        function, result = _BUFFER(capi.FUNC_BYTES), _BUFFER(codec.VALUE)
        try:
            found = capi.instance_func(
                addressof(self._handle), self._context, index, addressof(function)
            )
            assert found, "the export was found in the component"
            capi.check(
                capi.func_call(
                    addressof(function),
                    self._context,
                    addressof(arguments) if count else None,
                    count,
                    addressof(result),
                    1,
                )
            )
        finally:
            for number in range(count):
                capi.val_delete(addressof(arguments) + number * codec.VALUE)
        return result

    def close(self) -> None:
        """Free the store, and all of the guest's memory with it."""
        store, self._store = self._store, None
        if store:
            capi.store_delete(store)


def release(result: Any) -> None:
    """Free what a result holds."""
    capi.val_delete(addressof(result))


def read(result: Any) -> bytes:
    """Return the 32 bytes of a result, to be lifted from."""
    return string_at(result, codec.VALUE)
