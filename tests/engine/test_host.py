"""Callbacks: nothing crosses the library but numbers and the word "host"."""

import pytest

from daemon.engine import capi, host
from daemon.engine.call import running
from daemon.errors import DaemonError, ErrorKind
from tests.engine.conftest import Load, ScriptedHost, a_call, run
from tests.wat import components


def test_an_epoch_lets_a_live_call_go_on_and_ends_a_stopped_one() -> None:
    """The error stays in the call's own slot."""
    call, ticks, kind = a_call(), (capi.c_uint64 * 1)(), (capi.c_uint8 * 1)()
    with running(call):
        assert host.on_epoch(None, None, ticks, kind) == 0
        assert ticks[0] == 1

        call.stop(DaemonError(ErrorKind.CANCELLED, "enough"))
        error = host.on_epoch(None, None, ticks, kind)

    assert capi.take_error(error).message == "host"
    assert isinstance(call.error, DaemonError)


def test_dropping_an_inference_stream_closes_it_at_the_host() -> None:
    """And a host that fails then ends the guest."""
    call = a_call(ScriptedHost(ValueError("x")))
    with running(call):
        error = host.close_stream(None, None, 7)
        assert host.nothing_to_close(None, None, 7) == 0

    assert capi.take_error(error).message == "host"
    assert isinstance(call.error, ValueError)


@pytest.mark.parametrize("error", [KeyboardInterrupt("x"), RecursionError("x"), OSError("x")])
def test_an_exception_of_any_kind_stays_with_its_call(load: Load, error: BaseException) -> None:
    """The next call on this thread is not touched by it."""
    skill = load(components.function())

    with pytest.raises(DaemonError):
        run(skill, b'"c"', ScriptedHost(error))

    with pytest.raises(DaemonError, match="unreachable"):
        run(skill, b'"u"')
