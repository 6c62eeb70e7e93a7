"""Everything that `wit/` promises is linked, and each name only once."""

from daemon.engine.linker import INTERFACES, Bindings
from daemon.engine.loaded import Loader


def test_no_name_is_defined_twice() -> None:
    """wasmtime would refuse the second."""
    names = [one.name for one in INTERFACES]

    assert len(names) == len(set(names))


def test_resources_of_different_worlds_are_different_types() -> None:
    """A handle of one world must not pass for one of another."""
    kinds = Bindings().kinds

    assert len(kinds) == len(set(kinds.values())) == 9


def test_a_linker_can_be_built_again(loader: Loader) -> None:
    """One for each set of shared modules."""
    bindings = Bindings()

    assert bindings.linker(loader.engine) is not bindings.linker(loader.engine)
