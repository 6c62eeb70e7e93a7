"""
The other side of a guest's imports: callbacks from wasmtime into Python.

Each catches every exception, keeps it in the call's own slot and tells wasmtime only "host": an
exception that crossed the library would surface in another call, or end the process. The memory
of arguments and results is wasmtime's. Leaves out what a function does (`worlds`).
"""

from collections.abc import Callable
from ctypes import addressof, c_uint64, c_void_p, string_at
from typing import Any

from daemon.csi.interface import CloseStream
from daemon.engine import capi
from daemon.engine.call import current
from daemon.engine.codec import VALUE, lifter, lowerer
from daemon.engine.wit import BORROW, OWN
from daemon.engine.worlds.hostcall import HostFunction

GO_ON = 0
_OWNED = True
_EPOCH_CONTINUE = 0


def bind(function: HostFunction, *, makes: int) -> Any:
    """
    Return the callback of *function*; the caller keeps it alive as long as the linker.

    *makes* is the number of the resource type that it returns handles of, if it does.
    """
    lifts = tuple(
        (_borrowed if one == BORROW else _plain(lifter(one)), index * VALUE)
        for index, one in enumerate(function.signature.parameters)
    )
    size, result, serve = len(lifts) * VALUE, function.signature.result, function.serve
    lower = _owner(makes) if result == OWN else _lowering(result)

    def callback(
        _data: int, context: int, _type: int, arguments: int, _n: int, results: int, _m: int
    ) -> int:
        call = current()
        try:
            buffer = string_at(arguments, size)
            values = [lift(context, buffer, at) for lift, at in lifts]
            lower(context, results, serve(call, *values))
        except BaseException as error:
            return _fail(call, error)
        return GO_ON

    return capi.FuncCallback(callback)


def _fail(call: Any, error: BaseException) -> int:
    call.error = error
    made: int = capi.error_new(b"host")
    return made


def _plain(lift: Callable[[bytes, int], Any]) -> Callable[[int, bytes, int], Any]:
    return lambda _context, buffer, at: lift(buffer, at)


def _lowering(result: Any) -> Callable[[int, int, Any], None]:
    if result is None:
        return lambda _context, _at, _value: None
    lower = lowerer(result)
    return lambda _context, at, value: lower(at, value)


_lift_handle = lifter(BORROW)
_lower_handle = lowerer(OWN)


def _borrowed(context: int, buffer: bytes, at: int) -> int:
    """Return the number that a borrowed handle stands for."""
    host = c_void_p()
    capi.check(capi.resource_from_any(context, _lift_handle(buffer, at), addressof(host)))
    number: int = capi.resource_rep(host)
    capi.resource_delete(host)
    return number


def _owner(kind: int) -> Callable[[int, int, Any], None]:
    def lower(context: int, at: int, number: int) -> None:
        _lower_handle(at, own(context, number=number, kind=kind))

    return lower


def own(context: int, *, number: int, kind: int) -> int:
    """Return a handle that owns resource *number* of the resource type *kind*."""
    host, handle = capi.resource_new(_OWNED, number, kind), c_void_p()
    try:
        capi.check(capi.resource_to_any(context, host, addressof(handle)))
    finally:
        capi.resource_delete(host)
    assert handle.value is not None
    return handle.value


def _close_stream(_data: int, _context: int, number: int) -> int:
    """Tell the host that the guest dropped its end of an inference stream."""
    call = current()
    try:
        call.ask(CloseStream(number))
    except BaseException as error:
        return _fail(call, error)
    return GO_ON


def _nothing_to_close(_data: int, _context: int, _number: int) -> int:
    """The output of a stream ends with its call."""
    return GO_ON


def _on_epoch(_context: int, _data: int, ticks: Any, kind: Any) -> int:
    """Let the call look at its deadline and its stop flag, once a tick."""
    call = current()
    try:
        call.tick()
    except BaseException as error:
        return _fail(call, error)
    ticks[0], kind[0] = c_uint64(1).value, _EPOCH_CONTINUE
    return GO_ON


close_stream: Any = capi.DropCallback(_close_stream)
nothing_to_close: Any = capi.DropCallback(_nothing_to_close)
on_epoch: Any = capi.EpochCallback(_on_epoch)
