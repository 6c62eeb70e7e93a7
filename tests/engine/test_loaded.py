"""Loading: shared modules once, unknown files refused, exports found."""

import weakref
from pathlib import Path

import pytest
import wasmtime

from daemon.engine.call import running
from daemon.engine.loaded import Loader, blame
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, World
from tests.engine.conftest import MEMORY, Load, a_call
from tests.wat import components


def test_a_damaged_or_missing_file_is_the_caches_fault(loader: Loader, tmp_path: Path) -> None:
    """It can be made again."""
    path = tmp_path / "x.cwasm"
    path.write_bytes(b"nonsense")

    for file in (path, tmp_path / "missing"):
        with pytest.raises(DaemonError) as caught:
            loader.load(
                world=World.V0_5,
                kind=SkillKind.FUNCTION,
                path=str(file),
                shared=(),
                strings=False,
                memories=1,
            )
        assert caught.value.kind is ErrorKind.CACHE_UNUSABLE


def test_a_shared_module_is_mapped_once(loader: Loader, tmp_path: Path) -> None:
    """However many artifacts want it, as long as one does."""
    path = tmp_path / "m"
    path.write_bytes(wasmtime.Module(loader.engine, "(module)").serialize())

    assert loader._module(str(path)) is loader._module(str(path))


def test_skills_with_the_same_modules_share_a_linker(loader: Loader, tmp_path: Path) -> None:
    """And it goes with the last of them."""
    path = tmp_path / "m"
    path.write_bytes(wasmtime.Module(loader.engine, "(module)").serialize())
    modules = (("shared", loader._module(str(path))),)

    linker = loader._linker(modules)
    assert loader._linker(modules) is linker
    assert loader._linker(()) is not linker
    gone = weakref.ref(linker)
    del linker

    assert gone() is None


def test_the_wrong_kind_has_no_run(load: Load) -> None:
    """A function has no stream to run."""
    with pytest.raises(DaemonError) as caught:
        load(components.function(), kind=SkillKind.MESSAGE_STREAM)

    assert caught.value.kind is ErrorKind.SKILL_UNSERVABLE


def test_an_instance_over_its_memory_cap_is_not_made(load: Load) -> None:
    """The text names the cap."""
    skill, call = load(components.function()), a_call()

    with running(call), pytest.raises(DaemonError, match="limit of 65536 bytes"):
        skill.instantiate(memory=1 << 16, call=call)


def test_the_calls_own_error_comes_before_what_wasmtime_made_of_it() -> None:
    """And is taken out of its slot."""
    call, other = a_call(), DaemonError(ErrorKind.SKILL_TRAPPED, "trap")
    assert blame(call, other) is other

    call.error = DaemonError(ErrorKind.CANCELLED, "enough")
    assert blame(call, other).kind is ErrorKind.CANCELLED
    assert call.error is None
    call.error = OverflowError("a frame")
    assert blame(call, other).kind is ErrorKind.OUTPUT_TOO_LARGE
    call.error = KeyError("bug")
    assert blame(call, other).kind is ErrorKind.INTERNAL


def test_two_instances_share_nothing(load: Load) -> None:
    """Each has a store of its own."""
    skill, call = load(components.function()), a_call()
    with running(call):
        one = skill.instantiate(memory=MEMORY, call=call)
        two = skill.instantiate(memory=MEMORY, call=call)

    one.close()
    one.close()  # closing twice is fine
    two.close()
