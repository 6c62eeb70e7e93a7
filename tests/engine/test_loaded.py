"""Loading: shared modules once, unknown files refused, exports found."""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime
from wasmtime import component

from daemon.engine.call import running
from daemon.engine.loaded import Loaded, Loader, blame
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, World
from tests.engine.conftest import MEMORY, Load, a_call
from tests.wat import components
from tests.wat.compiled import compiled


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


@pytest.fixture
def sharing(loader: Loader, cache: Path, tmp_path: Path) -> Callable[[], Loaded]:
    """Loads a Skill that shares a module with the others; it can do without."""
    module, skill = tmp_path / "m", compiled(components.function(), cache)
    module.write_bytes(wasmtime.Module(loader.engine, "(module)").serialize())

    def load_it() -> Loaded:
        return loader.load(
            world=World.V0_5,
            kind=SkillKind.FUNCTION,
            path=str(skill),
            shared=(("shared", str(module)),),
            strings=False,
            memories=1,
        )

    return load_it


def test_skills_with_the_same_modules_share_them_and_a_linker(
    sharing: Callable[[], Loaded], load: Load
) -> None:
    """Those without have another; and it goes with the last of them."""
    one, other = sharing(), sharing()

    assert one.linker == other.linker
    assert one.linker != load(components.function()).linker
    gone = [weakref.ref(owner) for owner in one.owners if isinstance(owner, component.Linker)]
    del one, other
    assert [linker() for linker in gone] == [None]


def test_skills_that_are_loaded_at_a_time_share_as_well(sharing: Callable[[], Loaded]) -> None:
    """A new worker loads several at a time."""
    together = threading.Barrier(8)

    def load_with_the_others(_: int) -> Loaded:
        together.wait(10)
        return sharing()

    with ThreadPoolExecutor(8) as threads:
        loaded = list(threads.map(load_with_the_others, range(8)))

    assert len({one.linker for one in loaded}) == 1


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
