"""
The few functions of wasmtime's C API that we call ourselves, on plain addresses.

The stock Python wrappers cost more than the calls they wrap, convert bytes one by one, and pass
exceptions through a process-global slot; so hot paths come here. Everything is an `int` address.
Functions that are over within a microsecond keep the GIL (`PYFUNCTYPE`), all that may run guest
code or unmap memory give it up (`CFUNCTYPE`). Leaves out what values look like (`codec`).
"""

import ctypes
from ctypes import c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

from wasmtime import _ffi

FuncCallback = ctypes.CFUNCTYPE(
    c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t
)
"""(data, context, function type, arguments, how many, results, how many) -> error or 0."""
DropCallback = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_uint32)
"""(data, context, representation) -> error or 0."""
EpochCallback = ctypes.CFUNCTYPE(
    c_size_t, c_void_p, c_void_p, ctypes.POINTER(c_uint64), ctypes.POINTER(c_uint8)
)
"""(context, data, ticks to go on for, kind of update) -> error or 0."""
_Finalizer = ctypes.CFUNCTYPE(None, c_void_p)
NO_FINALIZER = _Finalizer()


class ByteVec(ctypes.Structure):
    """`wasm_byte_vec_t`: bytes that wasmtime owns."""

    _fields_ = [("size", c_size_t), ("data", c_void_p)]


INSTANCE_BYTES: int = ctypes.sizeof(_ffi.wasmtime_component_instance_t)
FUNC_BYTES: int = ctypes.sizeof(_ffi.wasmtime_component_func_t)


def _short(name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(result, *arguments)((name, _ffi.dll))


def _long(name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(result, *arguments)((name, _ffi.dll))


# Values.
val_new = _short("wasmtime_component_val_new", c_void_p, c_void_p)
val_clone = _short("wasmtime_component_val_clone", None, c_void_p, c_void_p)
val_delete = _long("wasmtime_component_val_delete", None, c_void_p)
list_uninit = _short("wasmtime_component_vallist_new_uninit", None, c_void_p, c_size_t)
record_uninit = _short("wasmtime_component_valrecord_new_uninit", None, c_void_p, c_size_t)
bytes_new = _short("wasm_byte_vec_new", None, c_void_p, c_size_t, c_char_p)
bytes_delete = _short("wasm_byte_vec_delete", None, c_void_p)

# Resources.
resource_type_new = _short("wasmtime_component_resource_type_new_host", c_void_p, c_uint32)
resource_new = _short("wasmtime_component_resource_host_new", c_void_p, c_bool, c_uint32, c_uint32)
resource_rep = _short("wasmtime_component_resource_host_rep", c_uint32, c_void_p)
resource_delete = _short("wasmtime_component_resource_host_delete", None, c_void_p)
resource_to_any = _short(
    "wasmtime_component_resource_host_to_any", c_void_p, c_void_p, c_void_p, c_void_p
)
resource_from_any = _short(
    "wasmtime_component_resource_any_to_host", c_void_p, c_void_p, c_void_p, c_void_p
)

# Errors.
error_new = _short("wasmtime_error_new", c_void_p, c_char_p)
error_message = _short("wasmtime_error_message", None, c_void_p, c_void_p)
error_exit_status = _short("wasmtime_error_exit_status", c_bool, c_void_p, c_void_p)
error_delete = _short("wasmtime_error_delete", None, c_void_p)

# Engine and stores.
increment_epoch = _short("wasmtime_engine_increment_epoch", None, c_void_p)
store_new = _short("wasmtime_store_new", c_void_p, c_void_p, c_void_p, c_void_p)
store_context = _short("wasmtime_store_context", c_void_p, c_void_p)
store_delete = _long("wasmtime_store_delete", None, c_void_p)
store_limiter = _short(
    "wasmtime_store_limiter", None, c_void_p, c_int64, c_int64, c_int64, c_int64, c_int64
)
store_on_epoch = _short(
    "wasmtime_store_epoch_deadline_callback", None, c_void_p, EpochCallback, c_void_p, _Finalizer
)
set_epoch_deadline = _short("wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
wasi_new = _short("wasi_config_new", c_void_p)
set_wasi = _short("wasmtime_context_set_wasi", c_void_p, c_void_p, c_void_p)

# Components.
linker_instantiate = _long(
    "wasmtime_component_linker_instantiate", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p
)
linker_add_func = _short(
    "wasmtime_component_linker_instance_add_func",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    FuncCallback,
    c_void_p,
    _Finalizer,
)
linker_add_resource = _short(
    "wasmtime_component_linker_instance_add_resource",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_void_p,
    DropCallback,
    c_void_p,
    _Finalizer,
)
instance_func = _short(
    "wasmtime_component_instance_get_func", c_bool, c_void_p, c_void_p, c_void_p, c_void_p
)
func_call = _long(
    "wasmtime_component_func_call",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_size_t,
    c_void_p,
    c_size_t,
)


class WasmError(Exception):
    """What wasmtime reports: its text, and the status if the guest called `exit`."""

    def __init__(self, message: str, *, exit_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exit_status = exit_status


def address(wrapper: Any) -> int:
    """Return the address that a stock wrapper object (Engine, Component, ...) owns."""
    value: int | None = ctypes.cast(wrapper.ptr(), c_void_p).value
    assert value is not None
    return value


def check(error: int | None) -> None:
    """Raise WasmError for an error that a C function returned; frees it."""
    if error:
        raise take_error(error)


def take_error(error: int) -> WasmError:
    """Return the error at *error* as an exception; frees it."""
    text, status = ByteVec(), c_int(0)
    try:
        error_message(error, ctypes.addressof(text))
        message = ctypes.string_at(text.data, text.size).decode(errors="replace")
        bytes_delete(ctypes.addressof(text))
        exited = error_exit_status(error, ctypes.addressof(status))
    finally:
        error_delete(error)
    return WasmError(message, exit_status=status.value if exited else None)
