"""The Skills of `test-beta`, as the contract has them."""

from collections.abc import Mapping

import pytest

from daemon.builtin.playground import playground
from daemon.builtin.skill import Builtin
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.skill import (
    MessageAppend,
    MessageBegin,
    MessageEnd,
    SkillMetadata,
    StreamEvent,
)
from tests.csi.fakes import ScriptedInference, drivers

ANYONE = csi.Caller()


def skills(inference: csi.Inference | None = None) -> Mapping[SkillPath, Builtin]:
    """All of them."""
    return playground(drivers(inference))


def skill(name: str, inference: csi.Inference | None = None) -> Builtin:
    """One of them."""
    return skills(inference)[SkillPath.parse("test-beta", name)]


async def said(one: Builtin) -> list[StreamEvent]:
    """All that it says."""
    return [event async for event in one.stream(b"null", ANYONE)]


def test_there_are_four() -> None:
    """Under the names that clients know."""
    names = {str(path) for path in skills()}
    expected = {"hello", "saboteur", "tell_me_a_joke", "tool_caller"}
    assert names == {f"test-beta/{name}" for name in expected}


async def test_joke_is_told_by_a_model() -> None:
    """With the parameters of the contract; the payload is the reason of the end."""
    inference = ScriptedInference(csi.Begin("assistant"), csi.Append("Ha"), csi.End("length"))
    assert await said(skill("tell_me_a_joke", inference)) == [
        MessageBegin(),
        MessageAppend("Ha"),
        MessageEnd(b'"Length"'),
    ]
    (asked,) = inference.chats
    assert asked.model == "llama-3.1-8b-instruct"
    assert asked.messages == [csi.OtherMessage("user", "Tell me a joke!")]
    assert (asked.params.max_tokens, asked.params.temperature) == (300, 0.3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hello", ErrorKind.SKILL_FAILED),
        ("saboteur", ErrorKind.SKILL_IS_STREAM),
        ("tool_caller", ErrorKind.SKILL_IS_STREAM),
        ("tell_me_a_joke", ErrorKind.SKILL_IS_STREAM),
    ],
)
def test_none_is_a_function(name: str, kind: ErrorKind) -> None:
    """Only `hello` has something to say to that."""
    error = skill(name).not_a_function()
    assert error.kind is kind
    if name == "hello":
        assert "dummy" in error.detail
    else:
        assert f"/v1/skills/test-beta/{name}/message-stream" in error.detail


@pytest.mark.parametrize("name", ["hello", "saboteur", "tool_caller"])
def test_they_say_nothing_of_themselves(name: str) -> None:
    """No description, no schemas, no version."""
    assert skill(name).metadata() == SkillMetadata()
    assert skill(name).version is None


def test_joke_has_no_metadata() -> None:
    """Asking for it is an error, as in the reference."""
    with pytest.raises(DaemonError) as caught:
        skill("tell_me_a_joke").metadata()
    assert caught.value.kind is ErrorKind.SKILL_FAILED
