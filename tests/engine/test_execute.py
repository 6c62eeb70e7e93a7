"""One call: every world, every outcome, and nothing left behind."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.loaded import Loaded
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, SkillKind, World
from tests.engine.conftest import Load, ScriptedHost, run
from tests.wat import components


@pytest.mark.parametrize("strings", [False, True])
def test_a_function_answers_json_with_json(load: Load, strings: bool) -> None:
    """As bytes or rewritten to strings."""
    skill = load(components.function(strings=strings), strings=strings)

    assert run(skill, b'{"a": "\xc3\xa4"}') == b'{"a": "\xc3\xa4"}'


def test_the_first_world_speaks_plain_text(load: Load) -> None:
    """A JSON string is passed as what it says, the answer becomes one."""
    skill = load(components.first_world(), world=World.V0_1)

    assert run(skill, b'"hi"') == b'"hi"'
    assert run(skill, b"[1]") == b'"[1]"'
    with pytest.raises(DaemonError) as caught:
        run(skill, b"{")
    assert caught.value.kind is ErrorKind.MALFORMED_REQUEST
    with pytest.raises(DaemonError) as caught:
        run(skill, b'"too long"', cap=3)
    assert caught.value.kind is ErrorKind.OUTPUT_TOO_LARGE


def test_a_stream_speaks_through_its_host(load: Load) -> None:
    """And returns nothing."""
    skill = load(components.message_stream(), kind=SkillKind.MESSAGE_STREAM)
    host = ScriptedHost()

    assert run(skill, b"bap", host) is None
    assert host.told == [MessageBegin(), MessageAppend("a"), MessageEnd(b"1")]


@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        (b'"u"', ErrorKind.SKILL_TRAPPED),
        (b'"q"', ErrorKind.SKILL_TRAPPED),
        (b'"j"', ErrorKind.INVALID_OUTPUT),
        (b'"i"', ErrorKind.SKILL_FAILED),
        (b'"v"', ErrorKind.INVALID_INPUT),
        (b'"g"', ErrorKind.OUTPUT_TOO_LARGE),
        (b'"\xff"', ErrorKind.MALFORMED_REQUEST),
    ],
)
def test_each_way_to_fail_has_its_kind(load: Load, deed: bytes, kind: ErrorKind) -> None:
    """Clients, metrics and operators go by it."""
    with pytest.raises(DaemonError) as caught:
        run(load(components.function()), deed)

    assert caught.value.kind is kind


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), ValueError("x")])
def test_whatever_a_host_function_raises_ends_this_call_alone(
    load: Load, error: BaseException
) -> None:
    """Not the process, and not the next call."""
    skill = load(components.function())

    with pytest.raises(DaemonError) as caught:
        run(skill, b'"c"', ScriptedHost(error))

    assert caught.value.kind is ErrorKind.INTERNAL
    assert run(skill, b'"echo"') == b'"echo"'


def test_an_error_of_the_host_reaches_the_caller_as_it_is(load: Load) -> None:
    """Kind, text and when to come back."""
    error = DaemonError(ErrorKind.CSI_RATE_LIMITED, "slow down", retry_after=3)

    with pytest.raises(DaemonError) as caught:
        run(load(components.function()), b'"c"', ScriptedHost(error))

    assert caught.value is error


def test_calls_leave_no_memory_behind(load: Load) -> None:
    """Values, handles and stores are all freed: thousands of calls stay within a few MB."""
    skill = load(components.message_stream(), kind=SkillKind.MESSAGE_STREAM)
    function = load(components.function())
    script = b"b" + b"a" * 2000 + b"e"

    def some() -> None:
        for _ in range(10):
            run(skill, script)
            _ask(function)

    some()
    before = _resident()
    for _ in range(20):
        some()

    assert _resident() - before < 4 << 20


def _ask(skill: Loaded) -> None:
    run(skill, b'"c' + b"x" * 1000 + b'"', ScriptedHost(csi.Languages(["eng" * 1000] * 10)))


def _resident() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123
        fields = statm.read().split()
    return (int(fields[1]) - int(fields[2])) * 4096
