"""
What guests can import: WASI in an empty world, the CSI of every WIT world, shared core modules.

Linked once; wasmtime resolves older patch versions to the newest one that is defined here. Leaves
out `wasi:http`: guests reach the network through their host only.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

import wasmtime
from wasmtime import component

from daemon.engine import capi, host
from daemon.engine.worlds import v0_1, v0_2, v0_3, v0_4
from daemon.engine.worlds.hostcall import HostFunction, Interface
from daemon.engine.worlds.output import STREAM_OUTPUT

INTERFACES: tuple[Interface, ...] = (
    *v0_1.INTERFACES,
    *v0_2.INTERFACES,
    *v0_3.INTERFACES,
    *v0_4.INTERFACES,
)


class Bindings:
    """The callbacks and resource types of all worlds: made once, kept alive for the process."""

    def __init__(self) -> None:
        numbers = count(1)
        self.kinds = {
            (interface.name, resource): next(numbers)
            for interface in INTERFACES
            for resource in interface.resources
        }
        self._types = {number: capi.resource_type_new(number) for number in self.kinds.values()}
        self._callbacks: dict[tuple[str, str], Any] = {
            (interface.name, function.name): host.bind(
                function, makes=self._makes(interface, function)
            )
            for interface in INTERFACES
            for function in interface.functions
        }

    def _makes(self, interface: Interface, function: HostFunction) -> int:
        return self.kinds.get((interface.name, function.name.removeprefix("[constructor]")), 0)

    def linker(
        self, engine: wasmtime.Engine, modules: Sequence[tuple[str, wasmtime.Module]] = ()
    ) -> component.Linker:
        """Return a linker of everything, and of *modules* by import name. Takes a few ms."""
        linker = component.Linker(engine)
        linker.add_wasip2()
        with linker.root() as root:
            for interface in INTERFACES:
                with root.add_instance(interface.name) as instance:
                    self._define(interface, capi.address(instance))
            for name, module in modules:
                root.add_module(name, module)
        return linker

    def _define(self, interface: Interface, at: int) -> None:
        for resource in interface.resources:
            drop = host.nothing_to_close if resource == STREAM_OUTPUT else host.close_stream
            name, kind = resource.encode(), self._types[self.kinds[interface.name, resource]]
            capi.check(
                capi.linker_add_resource(at, name, len(name), kind, drop, None, capi.NO_FINALIZER)
            )
        for function in interface.functions:
            name, callback = function.name.encode(), self._callbacks[interface.name, function.name]
            capi.check(capi.linker_add_func(at, name, len(name), callback, None, capi.NO_FINALIZER))
