"""Who answers at a path, and what is said where nobody does."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.catalogue import Catalogue, ServedChat, ServedSkill
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.input_schema import InputSchemas
from daemon.invoke import Described, Skills, check_json
from daemon.names import Digest, SkillName, SkillPath
from daemon.namespaces.status import (
    Condition,
    ConditionType,
    NamespaceStatus,
    Problem,
    SkillStatus,
)
from daemon.skill import (
    Artifact,
    ChatSpec,
    Description,
    Failure,
    Limits,
    MessageBegin,
    RegistryRef,
    SkillKind,
    SkillMetadata,
    SkillSpec,
    StreamEvent,
    World,
)
from daemon.workers.calls import Invocation
from daemon.workers.report import Finished
from tests.csi.fakes import ScriptedInference, drivers

PATH = SkillPath.parse("team", "greet")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANYONE = csi.Caller()
DIGEST = Digest("sha256:" + "0" * 64)


class Echo:
    """An executor that answers with its input, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Invocation] = []
        self.open = 0

    async def run(self, call: Invocation) -> bytes:
        """See Executor."""
        self.asked.append(call)
        return call.input

    async def stream(self, call: Invocation) -> AsyncGenerator[StreamEvent, None]:
        """See Executor."""
        self.asked.append(call)
        self.open += 1
        try:
            while True:
                yield MessageBegin()
        finally:
            self.open -= 1


def served(
    kind: SkillKind = SkillKind.FUNCTION, world: World = World.V0_3, **more: Any
) -> ServedSkill:
    """A served Skill."""
    artifact = Artifact("a", DIGEST, world, kind, Path("/nowhere"))
    spec = SkillSpec(PATH, RegistryRef())
    return ServedSkill(spec, DIGEST, artifact, Limits(), "r", NOW, **more)


def status(**more: Any) -> NamespaceStatus:
    """The status of the namespace team."""
    condition = Condition(ConditionType.READY, "False", "Because", "the file server is down", NOW)
    base = NamespaceStatus(PATH.namespace, "file", "team", (condition,), observed_revision="r")
    return replace(base, **more)


class Made:
    """Skills with all that they need."""

    def __init__(self, *skills: ServedSkill | ServedChat, **options: Any) -> None:
        self.catalogue = Catalogue(complete=True)
        self.catalogue.report(status())
        for skill in skills:
            self.catalogue.serve(skill)
        self.executor = Echo()
        self.seen: list[Finished] = []
        self.skills = Skills(
            catalogue=self.catalogue,
            executor=self.executor,
            drivers=drivers(options.pop("inference", None)),
            finished=self.seen.append,
            **options,
        )

    async def error(self, path: SkillPath = PATH, body: bytes = b"1") -> DaemonError:
        """The error of a call."""
        with pytest.raises(DaemonError) as caught:
            await self.skills.run(path, body, ANYONE)
        return caught.value

    async def stream_error(self, path: SkillPath = PATH, body: bytes = b"1") -> DaemonError:
        """The error of a stream."""
        with pytest.raises(DaemonError) as caught:
            async for _ in self.skills.stream(path, body, ANYONE):
                pass
        return caught.value


# Who answers --------------------------------------------------------------------------------------


async def test_function_is_run_with_what_is_served_now() -> None:
    """Its artifact, its limits, its caller."""
    made = Made(skill := served())
    assert await made.skills.run(PATH, b'{"a": 1}', ANYONE) == b'{"a": 1}'
    (call,) = made.executor.asked
    assert call == Invocation(PATH, skill.artifact, skill.limits, b'{"a": 1}', ANYONE)


async def test_stream_is_closed_with_its_reader() -> None:
    """So the guest stops."""
    made = Made(served(SkillKind.MESSAGE_STREAM))
    events = made.skills.stream(PATH, b"1", ANYONE)
    assert await anext(events) == MessageBegin()
    assert made.executor.open == 1
    await events.aclose()
    assert made.executor.open == 0


async def test_playground_answers_in_every_catalogue() -> None:
    """Also before anything is read."""
    made = Made()
    path = SkillPath.parse("test-beta", "hello")
    made.catalogue.complete = False
    assert len([event async for event in made.skills.stream(path, b"null", ANYONE)]) == 7
    (finished,) = made.seen
    assert (finished.path, finished.error) == (path, None)


async def test_chat_skill_answers_for_its_namespace_within_its_time() -> None:
    """A failure is told to who observes."""
    error = DaemonError(ErrorKind.CSI_UNKNOWN_MODEL, "no such model")
    inference = ScriptedInference(error=error)
    chat = ServedChat(ChatSpec(PATH, "1", "m", "p"), "r", NOW)
    made = Made(chat, inference=inference, chat_timeout=5.0)
    assert await made.stream_error(body=b'{"messages": []}') is error
    (caller,) = inference.callers
    assert caller.namespace == "team"
    assert caller.deadline is not None
    assert caller.deadline <= asyncio.get_running_loop().time() + 5.0
    assert made.seen[0].error is ErrorKind.CSI_UNKNOWN_MODEL


async def test_wrong_route_is_named_with_the_right_one() -> None:
    """Whoever answers there."""
    stream = Made(served(SkillKind.MESSAGE_STREAM))
    error = await stream.error()
    assert error.kind is ErrorKind.SKILL_IS_STREAM
    assert "/v1/skills/team/greet/message-stream" in error.detail

    error = await Made(served()).stream_error()
    assert error.kind is ErrorKind.SKILL_IS_FUNCTION
    assert "/v1/skills/team/greet/run" in error.detail

    chat = Made(ServedChat(ChatSpec(PATH, "1", "m", "p"), "r", NOW))
    assert (await chat.error()).kind is ErrorKind.SKILL_IS_STREAM


# Inputs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"1 2", b"NaN", b"'a'", b'"\xff"', b"\xef\xbb\xbf1", b"[" * 100_000, b'"\\ud800"'],
)
async def test_body_that_is_no_json_does_not_reach_the_skill(body: bytes) -> None:
    """Neither run nor stream."""
    made = Made(served())
    assert (await made.error(body=body)).kind is ErrorKind.MALFORMED_REQUEST
    assert made.executor.asked == []
    hello = SkillPath.parse("test-beta", "hello")
    assert (await made.stream_error(hello, body)).kind is ErrorKind.MALFORMED_REQUEST


async def test_a_missing_body_is_called_so() -> None:
    """ "Truncated" would send the caller looking for what cut it off."""
    assert "it is empty" in (await Made(served()).error(body=b"")).detail


@pytest.mark.parametrize("body", [b"null", b' {"a": [1e5, "\xc3\xa4"]}\n', b"1" * 400])
def test_any_json_value_is_fine(body: bytes) -> None:
    """What it means is the Skill's to say."""
    check_json(body)


async def test_inputs_are_checked_against_the_schema_where_wanted() -> None:
    """By default they are not."""
    skill = served(description=Description(SkillMetadata(input_schema={"type": "string"})))
    assert await Made(skill).skills.run(PATH, b"1", ANYONE) == b"1"

    checking = Made(skill, schemas=InputSchemas())
    assert (await checking.error()).kind is ErrorKind.INPUT_VIOLATES_SCHEMA
    assert await checking.skills.run(PATH, b'"x"', ANYONE) == b'"x"'


# Metadata -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "version"),
    [
        (World.V0_1, None),
        (World.V0_2, None),
        (World.V0_3, "0.3"),
        (World.V0_4, "0.4"),
        (World.V0_5, "0.5"),
    ],
)
@pytest.mark.parametrize("kind", SkillKind)
async def test_metadata_tells_the_truth(world: World, version: str | None, kind: SkillKind) -> None:
    """Version and type are those of the component, streams included."""
    told = SkillMetadata("says hi", {"type": "object"}, True)
    made = Made(served(kind, world, description=Description(told)))
    expected = Described("says hi", version, kind.value, {"type": "object"}, True)
    assert await made.skills.metadata(PATH) == expected


async def test_metadata_that_failed_is_an_error_of_its_kind() -> None:
    """The Skill itself still runs."""
    failure = Failure("csi-in-metadata", "must not")
    made = Made(served(description=Description(failure=failure)))
    with pytest.raises(DaemonError, match="must not") as caught:
        await made.skills.metadata(PATH)
    assert caught.value.kind is ErrorKind.CSI_IN_METADATA
    assert await made.skills.run(PATH, b"1", ANYONE) == b"1"


async def test_metadata_of_skills_without_component() -> None:
    """Chat Skills and the playground."""
    made = Made(ServedChat(ChatSpec(PATH, "1", "m", "p"), "r", NOW))
    told = await made.skills.metadata(PATH)
    assert (told.description, told.version, told.skill_type) == (
        "A chat skill",
        "0.3",
        "message_stream",
    )
    hello = await made.skills.metadata(SkillPath.parse("test-beta", "hello"))
    assert hello == Described(None, None, "message_stream", None, None)


# Nobody answers -----------------------------------------------------------------------------------


async def test_unknown_skill_has_three_possible_causes() -> None:
    """The words are those that clients' tests look for."""
    error = await Made().error()
    assert error.kind is ErrorKind.SKILL_NOT_FOUND
    assert "could not find the skill you requested in its namespace" in error.detail
    assert all(f"\n{number}. " in error.detail for number in (1, 2, 3))
    playground = await Made().error(SkillPath.parse("test-beta", "nope"))
    assert playground.kind is ErrorKind.SKILL_NOT_FOUND


async def test_unknown_namespace_is_told_apart() -> None:
    """With the way to the list of namespaces."""
    error = await Made().error(SkillPath.parse("nobodys", "greet"))
    assert error.kind is ErrorKind.NAMESPACE_NOT_FOUND
    assert "/v1/namespaces" in error.detail


async def test_before_the_first_pass_nothing_is_unknown() -> None:
    """It may still come: try again."""
    made = Made()
    made.catalogue.complete = False
    for path in (PATH, SkillPath.parse("later", "greet")):
        error = await made.error(path)
        assert error.kind is ErrorKind.STARTING
        assert "still being read" in error.detail
        assert error.retry_after is not None


async def test_namespace_that_could_not_be_read_says_why() -> None:
    """Its Skills are not unknown either."""
    made = Made()
    made.catalogue.report(status(observed_revision=None))
    error = await made.error()
    assert error.kind is ErrorKind.STARTING
    assert "the file server is down" in error.detail


async def reported(
    failure: Failure | None = None, problems: tuple[Problem, ...] = ()
) -> DaemonError:
    """The error of a Skill that is wanted but not served."""
    made = Made()
    greet = SkillStatus(SkillName("greet"), (), wanted_tag="v1", error=failure)
    skills = {} if problems else {greet.name: greet}
    made.catalogue.report(status(skills=skills, problems=problems))
    return await made.error()


async def test_wanted_skill_is_not_ready_until_it_is_served() -> None:
    """With what went wrong at the last attempt, if there was one."""
    error = await reported()
    assert (error.kind, error.retry_after) == (ErrorKind.SKILL_NOT_READY, 1.0)

    error = await reported(Failure("registry-unavailable", "connection refused", 7.0))
    assert (error.kind, error.retry_after) == (ErrorKind.SKILL_NOT_READY, 7.0)
    assert "Error loading skill: connection refused" in error.detail


async def test_skill_that_can_never_be_served_says_so() -> None:
    """Only another version of it helps."""
    error = await reported(Failure("not-a-component", "a core module"))
    assert error.kind is ErrorKind.SKILL_UNSERVABLE
    assert "a core module" in error.detail


@pytest.mark.parametrize("entry", [None, SkillName("greet")])
async def test_broken_configuration_is_shown_to_callers(entry: SkillName | None) -> None:
    """Where the mistake is in the file, or in this very entry."""
    problem = Problem("namespace.toml", 3, 1, "skills", "is not a list", entry=entry)
    error = await reported(problems=(problem,))
    assert error.kind is ErrorKind.NAMESPACE_INVALID
    assert error.detail.endswith("namespace.toml:3:1: skills: is not a list")


async def test_mistake_of_another_skill_does_not_matter() -> None:
    """This one is just unknown."""
    problem = Problem("f", 1, 1, None, "bad", entry=SkillName("other"))
    assert (await reported(problems=(problem,))).kind is ErrorKind.SKILL_NOT_FOUND
