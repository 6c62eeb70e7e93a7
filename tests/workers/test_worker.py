"""Real Skills, whole and split, in a real worker: what they may do, and what they can't."""

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import wasmtime

from daemon.component.split import split
from daemon.component.strings import bytes_to_strings
from daemon.csi import interface as csi
from daemon.engine.config import engine
from daemon.errors import ErrorKind
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, SkillKind, World
from daemon.workers import messages
from tests.wat.compiled import compiled
from tests.workers.child import Child, running_child

pytestmark = pytest.mark.real

Skills = Callable[[str], Path]


@pytest.fixture(scope="module")
def cache(request: pytest.FixtureRequest) -> Path:
    """Compiled components outlive the session: real ones take seconds."""
    return Path(request.config.cache.mkdir("compiled"))  # type: ignore[union-attr]


@pytest.fixture
def child() -> Iterator[Child]:
    """A worker of this test's own, with a secret in its environment."""
    with running_child({"SECRET": "hunter2"}) as one:
        yield one


def _load(
    child: Child, path: Path, cache: Path, kind: SkillKind = SkillKind.FUNCTION
) -> messages.Loaded:
    compiled_path = compiled(path.read_bytes(), cache)
    return child.load(compiled_path, world=World.V0_3, kind=kind, describe=True)


def _data(done: messages.Done) -> object:
    assert done.output is not None, done
    return msgspec.json.decode(done.output)["data"]


def test_a_skill_of_the_sdk_answers_cold_and_warm(
    child: Child, sdk_skill: Skills, cache: Path
) -> None:
    """A warm instance had its metadata called, which must not show."""
    loaded = _load(child, sdk_skill("hello"), cache)
    assert loaded.metadata is not None
    assert loaded.metadata.input_schema["type"] == "object"

    text = b'{"topic":"Bob"}'
    assert child.run(text, memory=1 << 30).output == b'{"text":"Hello Bob"}'
    child.say(messages.Warm("skill", 1))
    done = child.run(text, memory=1 << 30)
    while not done.warm:
        done = child.run(text, memory=1 << 30)

    assert done.output == b'{"text":"Hello Bob"}'


def test_an_artifact_that_is_loaded_again_keeps_its_warm_instances(
    child: Child, sdk_skill: Skills, cache: Path
) -> None:
    """Two Skills of the same component: the second one is installed while the first is hot."""
    _load(child, sdk_skill("hello"), cache)
    child.say(messages.Warm("skill", 1, 1 << 30))
    _load(child, sdk_skill("hello"), cache)

    done = child.run(b'{"topic":"Bob"}', memory=1 << 30)
    while not done.warm:
        assert done.output == b'{"text":"Hello Bob"}'
        done = child.run(b'{"topic":"Bob"}', memory=1 << 30)

    assert done.output == b'{"text":"Hello Bob"}'


def test_a_crowd_of_calls_leaves_its_memory_to_others(
    child: Child, sdk_skill: Skills, cache: Path
) -> None:
    """They wait for a model, all at once; what the allocator kept of them is given back."""
    _load(child, sdk_skill("haiku"), cache)
    before = child.pong().resident
    for _ in range(120):
        child.start(b'{"topic":"oat milk"}', timeout=300.0)
    waiting = [child.hear_a(messages.HostCall).call for _ in range(120)]
    assert child.pong().resident > before + (120 << 20)

    for call in waiting:
        child.say(messages.Cancel(call))
    for _ in waiting:
        child.hear_a(messages.Done)

    deadline = time.monotonic() + 20
    while child.pong().resident > before + (24 << 20):
        assert time.monotonic() < deadline


def test_a_split_skill_with_strings_answers_the_same(
    child: Child, sdk_skill: Skills, cache: Path
) -> None:
    """Its large modules are linked in from files of their own."""
    parts = split(bytes_to_strings(sdk_skill("hello").read_bytes()))
    assert parts.shared
    shared = [(one.import_name, str(_module(bytes(one.module), cache))) for one in parts.shared]

    loaded = child.load(
        compiled(parts.component, cache),
        world=World.V0_3,
        strings=True,
        describe=True,
        shared=shared,
    )

    assert (loaded.failure, loaded.metadata_failure) == (None, None)
    assert child.run(b'{"topic":"Bob"}', memory=1 << 30).output == b'{"text":"Hello Bob"}'
    assert child.run(b'{"topic":7}', memory=1 << 30).failure is not None
    long = b'{"topic":"' + b"x" * (8 << 20) + b'"}'
    assert child.run(long, memory=1 << 30, output=16 << 20).output is not None


def _module(data: bytes, cache: Path) -> Path:
    path = cache / f"{hashlib.sha256(data).hexdigest()}.module"
    path.write_bytes(wasmtime.Module(engine(), data).serialize())
    return path


def test_a_streaming_skill_of_the_sdk_streams(child: Child, sdk_skill: Skills, cache: Path) -> None:
    """One event for each thing it says."""
    _load(child, sdk_skill("stream"), cache, SkillKind.MESSAGE_STREAM)
    child.start(b'{"topic":"ab"}', memory=1 << 30)

    heard = [child.hear() for _ in range(5)]

    said = [one.event for one in heard if isinstance(one, messages.Event)]
    assert said == [
        MessageBegin(),
        MessageAppend("a"),
        MessageAppend("b"),
        MessageEnd(b'{"letters":2}'),
    ]
    assert isinstance(heard[-1], messages.Done)


@pytest.fixture
def poison(child: Child, sdk_skill: Skills, cache: Path) -> Child:
    """The Skill that does what it should not."""
    _load(child, sdk_skill("poison"), cache)
    return child


def test_a_guest_sees_no_environment_no_files_and_no_network(poison: Child) -> None:
    """Not even those of a worker that has them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        network = _data(poison.run(b'{"do":"network","size":%d}' % port, memory=1 << 30))
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    files = _data(poison.run(b'{"do":"files"}', memory=1 << 30))
    environment = _data(poison.run(b'{"do":"environment"}', memory=1 << 30))

    for results in (files, network):
        assert isinstance(results, dict)
        assert not any(result.startswith("done") for result in results.values()), results
    assert "hunter2" not in str(environment)
    assert isinstance(environment, dict)
    assert not environment["environ"].keys() & {"SECRET", "PATH", "HOME"}
    assert not Path("/tmp/poison").exists()


def test_state_does_not_survive_a_call(poison: Child) -> None:
    """Each call has an instance of its own."""
    assert [_data(poison.run(b'{"do":"count"}', memory=1 << 30)) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        (b'{"do":"loop"}', ErrorKind.DEADLINE_EXCEEDED),
        (b'{"do":"sleep","size":3600}', ErrorKind.DEADLINE_EXCEEDED),
        (b'{"do":"recursion"}', None),
        (b'{"do":"memory","size":4096}', None),
        (b'{"do":"output","size":2000000}', ErrorKind.OUTPUT_TOO_LARGE),
        (b'{"do":"leave","size":3}', ErrorKind.SKILL_TRAPPED),
        (b'{"do":"abort"}', ErrorKind.SKILL_TRAPPED),
        (b'{"do":"fail","data":"why"}', ErrorKind.SKILL_FAILED),
        (b'{"do":1}', None),
    ],
)
def test_poison_in_python_ends_with_an_error_and_the_next_call_is_fine(
    poison: Child, deed: bytes, kind: str | None
) -> None:
    """Where Python itself decides how it ends, any error will do."""
    failure = poison.run(deed, memory=1 << 28, timeout=2.0).failure

    assert failure is not None
    assert kind is None or failure.kind == kind
    assert _data(poison.run(b'{"do":"echo","data":1}', memory=1 << 28)) == 1


def test_a_host_call_in_python_gets_its_answer(poison: Child) -> None:
    """All the way through the SDK."""
    number = poison.start(b'{"do":"chat"}', memory=1 << 30)
    asked = poison.hear_a(messages.HostCall)
    response = csi.ChatResponse(csi.AssistantMessage("hi"), "stop", csi.TokenUsage(1, 1))
    poison.say(messages.Answer(number, asked.request, csi.ChatResponses([response])))

    assert _data(poison.hear_a(messages.Done)) == "hi"
