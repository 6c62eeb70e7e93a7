"""
Who answers at a path, and calls it: the API's only door to execution.

What can be known before a guest runs is said here: that there is no such Skill, that it is not
ready and why, that it is of the other kind, that its input is no JSON or violates its schema.
Leaves out HTTP (`api`) and how calls run (`workers`, `builtin`).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from daemon.builtin.chat import Chat
from daemon.builtin.playground import playground
from daemon.builtin.skill import Builtin, is_stream
from daemon.catalogue import Catalogue, ServedChat, ServedSkill
from daemon.csi.interface import Caller, Drivers
from daemon.csi.tools import TEST_NAMESPACE
from daemon.errors import PERMANENT, DaemonError, ErrorKind
from daemon.input_schema import InputSchemas
from daemon.names import SkillPath
from daemon.namespaces.status import NamespaceStatus, SkillStatus
from daemon.skill import Failure, SkillKind, SkillMetadata, StreamEvent
from daemon.workers.calls import Invocation
from daemon.workers.report import Finished, ignore


class Executor(Protocol):
    """Runs WebAssembly Skills: the supervisor."""

    async def run(self, call: Invocation) -> bytes:
        """Call a function. Raises DaemonError."""
        ...

    def stream(self, call: Invocation) -> AsyncGenerator[StreamEvent, None]:
        """Call a stream. Raises DaemonError."""
        ...


@dataclass(frozen=True, slots=True)
class Described:
    """
    What a Skill says of itself, and what it is; None for what it does not say.

    `version` is that of its WIT world, for example `0.4`, `skill_type` is `function` or
    `message_stream`, and schemas are parsed JSON Schemas.
    """

    description: str | None = None
    version: str | None = None
    skill_type: str = SkillKind.FUNCTION.value
    input_schema: Any = None
    output_schema: Any = None


class Skills:
    """All Skills by path: those of `test-beta` first, then what the catalogue serves."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        executor: Executor,
        drivers: Drivers,
        schemas: InputSchemas | None = None,
        chat_timeout: float = 600.0,
        finished: Callable[[Finished], None] = ignore,
    ) -> None:
        """
        With *schemas*, inputs are checked against what a Skill declares.

        *chat_timeout* in seconds bounds Skills without a component, and *finished* hears of them;
        the executor does both for the others.
        """
        self._catalogue = catalogue
        self._executor = executor
        self._drivers = drivers
        self._schemas = schemas
        self._chat_timeout = chat_timeout
        self._finished = finished
        self._playground = playground(drivers)

    async def run(self, path: SkillPath, body: bytes, caller: Caller) -> bytes:
        """
        Call a function with JSON text and return JSON text. Raises DaemonError.

        Cancelling it stops the guest.
        """
        skill = self._find(path)
        if not isinstance(skill, ServedSkill):
            raise skill.not_a_function()
        if skill.kind is not SkillKind.FUNCTION:
            raise is_stream(path)
        return await self._executor.run(self._invocation(skill, body, caller))

    async def stream(
        self, path: SkillPath, body: bytes, caller: Caller
    ) -> AsyncGenerator[StreamEvent, None]:
        """
        Call a streaming Skill with JSON text. Raises DaemonError, the first time it is asked.

        Closing the generator stops the guest.
        """
        skill = self._find(path)
        if not isinstance(skill, ServedSkill):
            check_json(body)
            events = self._observed(path, skill, body, caller)
        elif skill.kind is not SkillKind.MESSAGE_STREAM:
            raise _is_function(path)
        else:
            events = self._executor.stream(self._invocation(skill, body, caller))
        async with aclosing(events):
            async for event in events:
                yield event

    async def metadata(self, path: SkillPath) -> Described:
        """Return what a Skill says of itself. Raises DaemonError, also that of its metadata."""
        skill = self._find(path)
        if not isinstance(skill, ServedSkill):
            return _described(skill.metadata(), SkillKind.MESSAGE_STREAM, skill.version)
        if skill.description.failure is not None:
            raise _error(skill.description.failure)
        metadata = skill.description.metadata or SkillMetadata()
        return _described(metadata, skill.kind, skill.artifact.world.line)

    def _find(self, path: SkillPath) -> ServedSkill | Builtin:
        builtin = self._playground.get(path)
        if builtin is not None:
            return builtin
        served = self._catalogue.served.get(path)
        if served is None:
            raise absence(path, self._catalogue)
        if isinstance(served, ServedChat):
            return Chat(served.spec, self._drivers.inference)
        return served

    def _invocation(self, skill: ServedSkill, body: bytes, caller: Caller) -> Invocation:
        check_json(body)
        metadata = skill.description.metadata
        if self._schemas is not None and metadata is not None:
            self._schemas.check(body, digest=skill.digest, schema=metadata.input_schema)
        return Invocation(skill.path, skill.artifact, skill.limits, body, caller)

    async def _observed(
        self, path: SkillPath, skill: Builtin, body: bytes, caller: Caller
    ) -> AsyncGenerator[StreamEvent, None]:
        """The events of a Skill that runs in this process; its end is told as a worker's is."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + self._chat_timeout
        if caller.deadline is not None:
            deadline = min(deadline, caller.deadline)
        caller = replace(caller, namespace=path.namespace, deadline=deadline)
        outcome: ErrorKind | None = ErrorKind.CANCELLED  # unless it comes to an end
        try:
            async with aclosing(skill.stream(body, caller)) as events:
                async for event in events:
                    yield event
            outcome = None
        except DaemonError as error:
            outcome = error.kind
            raise
        finally:
            self._finished(Finished(path, outcome, loop.time() - started, 0.0, warm=False))


def check_json(body: bytes) -> None:
    """Raise DaemonError MALFORMED_REQUEST unless *body* is one JSON value in UTF-8."""
    try:
        str(body, "utf-8")  # a worker dies of anything else
        msgspec.json.decode(body, type=msgspec.Raw)
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
    except msgspec.DecodeError as error:
        reason = str(error) if body else "it is empty"
    except RecursionError:
        reason = "it is nested too deeply"
    else:
        return
    raise DaemonError(ErrorKind.MALFORMED_REQUEST, f"The request body is not JSON: {reason}")


# Why nobody answers -------------------------------------------------------------------------------


def absence(path: SkillPath, catalogue: Catalogue) -> DaemonError:
    """Return why nobody answers at *path*, and the way out."""
    if path.namespace == TEST_NAMESPACE:
        return _unknown_skill(path)
    status = catalogue.statuses.get(path.namespace)
    if status is None:
        return _unknown_namespace(path) if catalogue.complete else _starting(path)
    known = status.skills.get(path.name)
    if known is not None:
        return _not_served(path, known)
    held_back = [str(one) for one in status.problems if one.entry in (None, path.name)]
    if held_back:
        return DaemonError(
            ErrorKind.NAMESPACE_INVALID,
            f"The configuration of the namespace {path.namespace} has errors, and {path.name} is "
            "not among the Skills it served before. Original error:\n\n" + "\n".join(held_back),
        )
    if status.observed_revision is None:
        return _unread(path, status)
    return _unknown_skill(path) if catalogue.complete else _starting(path)


def _not_served(path: SkillPath, skill: SkillStatus) -> DaemonError:
    failure = skill.error
    if failure is None:
        return DaemonError(
            ErrorKind.SKILL_NOT_READY,
            f"The Skill {path} is being installed; try again in a moment.",
            retry_after=1.0,
        )
    kind = ErrorKind.SKILL_NOT_READY
    if failure.kind in {one.value for one in PERMANENT}:
        kind = ErrorKind.SKILL_UNSERVABLE
    return DaemonError(
        kind,
        f"The Skill {path} can't be served. Error loading skill: {failure.message}",
        retry_after=failure.retry_after,
    )


def _unknown_skill(path: SkillPath) -> DaemonError:
    return DaemonError(
        ErrorKind.SKILL_NOT_FOUND,
        f"Sorry, we could not find the skill you requested in its namespace: {path}. "
        "This can have three causes:\n\n"
        "1. You sent the wrong skill name.\n"
        "2. You sent the wrong namespace.\n"
        "3. The skill is not configured in the namespace you requested. You may want to check the "
        "namespace configuration.",
    )


def _unknown_namespace(path: SkillPath) -> DaemonError:
    return DaemonError(
        ErrorKind.NAMESPACE_NOT_FOUND,
        f"There is no namespace {path.namespace}, so we could not find the skill you requested in "
        "its namespace. This can have three causes:\n\n"
        "1. You sent the wrong skill name.\n"
        "2. You sent the wrong namespace.\n"
        "3. The skill is not configured, because its namespace is not: GET /v1/namespaces lists "
        "those that are.",
    )


def _starting(path: SkillPath) -> DaemonError:
    return DaemonError(
        ErrorKind.STARTING,
        f"The namespaces are still being read, so it is not known yet whether there is {path}; "
        "try again in a moment.",
        retry_after=1.0,
    )


def _unread(path: SkillPath, status: NamespaceStatus) -> DaemonError:
    if not status.conditions:
        return _starting(path)
    return DaemonError(
        ErrorKind.STARTING,
        f"The configuration of the namespace {path.namespace} could not be read yet: "
        f"{status.conditions[0].message}",
        retry_after=1.0,
    )


def _is_function(path: SkillPath) -> DaemonError:
    return DaemonError(
        ErrorKind.SKILL_IS_FUNCTION,
        f"The Skill {path} is a function. Use the /run endpoint: POST /v1/skills/{path}/run",
    )


def _error(failure: Failure) -> DaemonError:
    return DaemonError(ErrorKind(failure.kind), failure.message, retry_after=failure.retry_after)


def _described(metadata: SkillMetadata, kind: SkillKind, version: str | None) -> Described:
    return Described(
        description=metadata.description,
        version=version,
        skill_type=kind.value,
        input_schema=metadata.input_schema,
        output_schema=metadata.output_schema,
    )
