"""The functions, from JSON text to what JSON says in return."""

import msgspec
import pytest

from daemon.api.csi.functions import TOOLS, V1, V2
from daemon.csi import interface as csi
from daemon.csi.context import DriverContext
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from tests.fakes_csi import Archive, Oracle, drivers

CHAT = b'{"model":"m","messages":[],"params":{"logprobs":"no"}}'


def context(oracle: Oracle | None = None) -> DriverContext:
    """Of a caller in the namespace of tests."""
    caller = csi.Caller(namespace=Namespace("test-beta"))
    return DriverContext(drivers(oracle, Archive()), caller, lambda _: None)


def test_versions_differ_only_in_chat() -> None:
    """And both have all that takes lists."""
    assert V1.keys() == V2.keys()
    assert {name for name in V1 if V1[name] is not V2[name]} == {"chat"}


@pytest.mark.parametrize("name", sorted(V1))
async def test_nothing_asked_is_nothing_answered(name: str) -> None:
    """For each function."""
    assert await V1[name].answer(b"[]", context()) == []


async def test_lists_have_an_end() -> None:
    """Requests of a few bytes may not become millions of tasks."""
    with pytest.raises(DaemonError, match="10000") as raised:
        await V1["chat"].answer(b"[%b]" % b",".join([CHAT] * 10_001), context())

    assert raised.value.kind is ErrorKind.CSI_BAD_REQUEST


async def test_the_first_failure_is_the_calls() -> None:
    """Not a half answer."""
    error = DaemonError(ErrorKind.CSI_TIMEOUT, "late")

    with pytest.raises(DaemonError, match="late"):
        await V1["chat"].answer(b"[%b,%b]" % (CHAT, CHAT), context(Oracle(error=error)))


async def test_answers_know_their_request() -> None:
    """Whether null is an answer depends on it."""
    silent = Oracle(answer=csi.AssistantMessage(None))
    with_tools = CHAT.replace(b'"no"', b'"no","tools":[{"name":"add"}]')

    (told,) = await V1["chat"].answer(b"[%b]" % with_tools, context(silent))

    assert isinstance(told, dict)
    assert told["message"]["content"] is None
    with pytest.raises(DaemonError, match="without content"):
        await V1["chat"].answer(b"[%b,%b]" % (with_tools, CHAT), context(silent))


async def test_tools_are_asked_by_one_object() -> None:
    """Which names their namespace."""
    function = TOOLS["list_tools"]
    asked = function.decoder.decode(b'{"namespace":"test-beta"}')

    listed = await function.answer(asked, context())

    names = [tool["name"] for tool in msgspec.json.decode(msgspec.json.encode(listed))]
    assert names == ["add", "saboteur", "subtract"]
