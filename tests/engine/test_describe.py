"""Metadata is read, checked, and must not ask the host."""

import json

import pytest

from daemon.engine.call import Call, running
from daemon.engine.describe import NoHost, describe
from daemon.engine.gate import Gate
from daemon.engine.loaded import Loaded
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import SkillKind, SkillMetadata, World
from tests.engine.conftest import MEMORY, Load
from tests.wat import components


def _describe(skill: Loaded) -> SkillMetadata | None:
    call = Call(number=0, timeout=30, gate=Gate(), host=NoHost())
    call.begin()
    with running(call):
        instance = skill.instantiate(memory=MEMORY, call=call)
        try:
            return describe(call, skill, instance)
        finally:
            instance.close()


@pytest.mark.parametrize("strings", [False, True])
def test_schemas_are_parsed(load: Load, strings: bool) -> None:
    """From bytes or strings."""
    skill = load(components.function(schema='{"type":"string"}', strings=strings), strings=strings)

    assert _describe(skill) == SkillMetadata(None, {"type": "string"}, {"type": "string"})


@pytest.mark.parametrize("schema", ['{"$ref":"urn:elsewhere"}', '{"$schema":"urn:mine"}'])
def test_what_a_schema_refers_to_need_not_be_here(load: Load, schema: str) -> None:
    """Callers may know it."""
    said = _describe(load(components.function(schema=schema)))

    assert said is not None
    assert said.input_schema == json.loads(schema)


def test_streams_and_old_worlds_have_none(load: Load) -> None:
    """They have no such function."""
    stream = load(components.message_stream(), kind=SkillKind.MESSAGE_STREAM)
    old = load(components.function("0.2.10"), world=World.V0_2)

    assert (_describe(stream), _describe(old)) == (None, None)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (components.function(schema='{"type": 7}'), ErrorKind.SKILL_FAILED),
        (components.function(schema="[]"), ErrorKind.SKILL_FAILED),
        (components.function(schema="{"), ErrorKind.SKILL_FAILED),
        (components.function(schema='{"pattern": "("}'), ErrorKind.SKILL_FAILED),
        (components.function(describe=components.SELECT_LANGUAGE), ErrorKind.CSI_IN_METADATA),
        (components.function(describe="(unreachable)"), ErrorKind.SKILL_TRAPPED),
    ],
)
def test_bad_metadata_has_its_kind(load: Load, source: str, kind: ErrorKind) -> None:
    """The Skill itself may still be fine."""
    with pytest.raises(DaemonError) as caught:
        _describe(load(source))

    assert caught.value.kind is kind
