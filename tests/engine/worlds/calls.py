"""Calls a host function as a guest would, without a guest: arguments and results as WIT values."""

import ctypes
from ctypes import addressof, string_at
from typing import Any

from daemon.csi import interface as csi
from daemon.engine import capi, wit
from daemon.engine.codec import VALUE, lifter, lowerer
from daemon.engine.wit import BORROW, OWN, Type
from daemon.engine.worlds.hostcall import HostFunction, Interface
from tests.engine.conftest import ScriptedHost, a_call


def find(interfaces: tuple[Interface, ...], name: str, function: str) -> HostFunction:
    """The function of the interface whose name starts with *name*."""
    interface = next(one for one in interfaces if one.name.startswith(name))
    return next(one for one in interface.functions if one.name == function)


def serve(
    function: HostFunction, *arguments: Any, replies: list[csi.Reply]
) -> tuple[Any, list[csi.Request]]:
    """
    Return the function's result and what it asked the host.

    *arguments* are values as a guest would send them: a record is a tuple, and so on. The result
    has passed through its WIT type.
    """
    host = ScriptedHost(*replies)
    lifted = [
        _lift_again(kind, value)
        for kind, value in zip(function.signature.parameters, arguments, strict=True)
    ]
    told = function.serve(a_call(host), *lifted)
    if function.signature.result not in (None, OWN):
        told = _lower(function.signature.result, told)
    return told, host.asked


def _lift_again(kind: Type, value: Any) -> Any:
    """Lower a plain value, lift it as the host function gets it."""
    if kind == BORROW:
        return value
    return _through(kind, value, raw_in=True)


def _lower(kind: Any, value: Any) -> Any:
    """Lower what the host function returned, lift it as plain as a guest would."""
    return _through(kind, value, raw_in=False)


def _through(kind: Any, value: Any, *, raw_in: bool) -> Any:
    place = ctypes.create_string_buffer(VALUE)
    try:
        lowerer(plain(kind) if raw_in else kind)(addressof(place), value)
        return lifter(kind if raw_in else plain(kind))(string_at(place, VALUE), 0)
    finally:
        capi.val_delete(addressof(place))


def plain(kind: Any) -> Any:
    """The same type without what it becomes in Python."""
    match kind:
        case wit.List(element):
            return wit.List(plain(element))
        case wit.Option(payload):
            return wit.Option(plain(payload))
        case wit.Result(ok, err):
            return wit.Result(plain(ok), plain(err))
        case wit.Record(fields):
            return wit.Record(tuple((name, plain(one)) for name, one in fields))
        case wit.Variant(cases):
            return wit.Variant(tuple((name, plain(one)) for name, one in cases))
    return kind
