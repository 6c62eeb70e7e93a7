"""
Does a component import only what we link, with the very types that we know?

Host functions are linked without types, so a component that was built against another draft of a
world would fail in the midst of a call: it is refused when it is loaded. WASI is wasmtime's to
check. Uses the stock reflection, which is slow: load time only.
"""

from collections.abc import Callable, Mapping
from typing import Any

import wasmtime
from wasmtime import component
from wasmtime.component import _types as types

from daemon.engine.failures import missing_import
from daemon.engine.linker import INTERFACES
from daemon.engine.wit import (
    BORROW,
    OTHER,
    OWN,
    Enumeration,
    List,
    Option,
    Record,
    Result,
    Scalar,
    Signature,
    Type,
    Variant,
)

_SCALARS: dict[type, Scalar] = {
    types.Bool: Scalar.BOOL,
    types.U8: Scalar.U8,
    types.U16: Scalar.U16,
    types.U32: Scalar.U32,
    types.U64: Scalar.U64,
    types.S8: Scalar.S8,
    types.S16: Scalar.S16,
    types.S32: Scalar.S32,
    types.S64: Scalar.S64,
    types.F32: Scalar.F32,
    types.F64: Scalar.F64,
    types.Char: Scalar.CHAR,
    types.String: Scalar.STRING,
}


def track(name: str) -> str:
    """Return what a name and its semver-compatible siblings share: `a:b/c@0.3.7` -> `a:b/c@0.3`."""
    interface, _, version = name.partition("@")
    return f"{interface}@{'.'.join(version.split('.')[:2])}" if version else interface


_KNOWN: dict[str, dict[str, Signature]] = {
    track(interface.name): {one.name: one.signature for one in interface.functions}
    for interface in INTERFACES
}


def check(
    imported: Mapping[str, Any], engine: wasmtime.Engine, *, shared: Mapping[str, Any]
) -> None:
    """Raise DaemonError MISSING_IMPORT for the first import that is not there as it is wanted."""
    for name, extern in imported.items():
        if name in shared or (name.startswith("wasi:") and not name.startswith("wasi:http")):
            continue
        known, found = _KNOWN.get(track(name)), extern.ty
        if known is None or not isinstance(found, types.ComponentInstanceType):
            raise missing_import(name)
        _check_interface(name, found.exports(engine), known)


def _check_interface(name: str, exports: Mapping[str, Any], known: Mapping[str, Signature]) -> None:
    for member, extern in exports.items():
        found = extern.ty
        if not isinstance(found, component.FuncType):
            continue  # types are named here, and checked where functions use them
        expected = known.get(member)
        if expected is None:
            raise missing_import(f"{name}#{member}")
        if signature(found) != expected:
            raise missing_import(f"{name}#{member}", "whose types are not those of this host")


def signature(found: component.FuncType) -> Signature:
    """Return a function's type as a plain value."""
    result = found.result
    return Signature(
        tuple(reflect(one) for _, one in found.params), None if result is None else reflect(result)
    )


def reflect(found: Any) -> Type:
    """Return a wasmtime type as a plain value."""
    scalar = _SCALARS.get(type(found))
    if scalar is not None:
        return scalar
    part = _PARTS.get(type(found))
    return OTHER if part is None else part(found)


def _maybe(found: Any) -> Type | None:
    return None if found is None else reflect(found)


_PARTS: dict[type, Callable[[Any], Type]] = {
    types.ListType: lambda found: List(reflect(found.element)),
    types.OptionType: lambda found: Option(reflect(found.payload)),
    types.ResultType: lambda found: Result(_maybe(found.ok), _maybe(found.err)),
    types.RecordType: lambda found: Record(
        tuple((name, reflect(one)) for name, one in found.fields)
    ),
    types.VariantType: lambda found: Variant(
        tuple((name, _maybe(one)) for name, one in found.cases)
    ),
    types.EnumType: lambda found: Enumeration(tuple(found.names)),
    types.OwnType: lambda _found: OWN,
    types.BorrowType: lambda _found: BORROW,
}
