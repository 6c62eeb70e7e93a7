"""A real worker process, real frames, and guests of every kind, the hostile ones above all."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.csi import interface as csi
from daemon.errors import ErrorKind
from daemon.skill import (
    Failure,
    MessageAppend,
    MessageBegin,
    MessageEnd,
    Reasoning,
    SkillKind,
    SkillMetadata,
    World,
)
from daemon.workers import messages
from tests.wat import components
from tests.wat.compiled import compiled
from tests.workers.child import Child, running_child

Compile = Callable[[str | bytes], Path]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a component, once per content."""
    cache = tmp_path_factory.mktemp("compiled")
    return lambda source: compiled(source, cache)


@pytest.fixture
def child() -> Iterator[Child]:
    """A worker of this test's own."""
    with running_child() as one:
        yield one


@pytest.fixture(scope="module")
def lasting() -> Iterator[Child]:
    """One worker for many poisons: it must outlive them all."""
    with running_child() as one:
        yield one
        assert one.run(b'"echo"', artifact="rogue").output == b'"echo"'


@pytest.fixture
def rogue(lasting: Child, build: Compile) -> Child:
    """The lasting worker, with the Skill that does as its input says."""
    lasting.load(build(components.function()), artifact="rogue")
    return lasting


@pytest.fixture
def streamer(child: Child, build: Compile) -> Child:
    """A worker with the Skill that streams as its input says."""
    child.load(build(components.message_stream()), kind=SkillKind.MESSAGE_STREAM)
    return child


@pytest.mark.parametrize("world", [World.V0_2, World.V0_3, World.V0_4, World.V0_5])
def test_a_function_of_each_world_answers(child: Child, build: Compile, world: World) -> None:
    """All are served side by side."""
    child.load(build(components.function(world.value)), world=world)

    done = child.run(b'{"a":"\xc3\xa4"}')

    assert (done.output, done.failure) == (b'{"a":"\xc3\xa4"}', None)


def test_older_patches_of_a_world_are_served(child: Child, build: Compile) -> None:
    """Their imports resolve to the newest patch."""
    child.load(build(components.function("0.3.2")), world=World.V0_3)

    assert child.run(b"1").output == b"1"


def test_the_first_world_takes_and_gives_text(child: Child, build: Compile) -> None:
    """A JSON string goes in as what it says; what comes out becomes one."""
    child.load(build(components.first_world()), world=World.V0_1)

    assert child.run(b'"say \\"hi\\""').output == b'"say \\"hi\\""'
    assert child.run(b'{"a":1}').output == b'"{\\"a\\":1}"'


def test_the_first_world_completes_texts(child: Child, build: Compile) -> None:
    """Its one host function is a completion."""
    child.load(build(components.first_world()), world=World.V0_1)
    number = child.start(b'"complete me"')

    asked = child.hear_a(messages.HostCall)
    usage = csi.TokenUsage(1, 1)
    reply = csi.Completions([csi.Completion("done", "stop", usage)])
    child.say(messages.Answer(number, asked.request, reply))

    assert asked.body == csi.Complete([csi.CompletionRequest("c", "complete me")])
    assert child.hear_a(messages.Done).output == b'"done"'


def test_bytes_rewritten_to_strings_are_moved_as_such(child: Child, build: Compile) -> None:
    """The same Skill, another artifact."""
    child.load(build(components.function(strings=True)), strings=True)

    assert child.run(b'"\xc3\xa4 long"').output == b'"\xc3\xa4 long"'


def test_input_that_is_not_utf8_is_refused_and_the_worker_lives(
    child: Child, build: Compile
) -> None:
    """In a string it would abort the process."""
    child.load(build(components.function(strings=True)), strings=True)

    assert kind_of(child.run(b'"\xff"')) == ErrorKind.MALFORMED_REQUEST
    assert child.run(b'"echo"').output == b'"echo"'


def kind_of(done: messages.Done) -> str:
    """The kind of a failed call."""
    assert done.failure is not None, done
    return done.failure.kind


@pytest.mark.parametrize(
    ("deed", "kind", "text"),
    [
        (b'"unreachable"', ErrorKind.SKILL_TRAPPED, "unreachable"),
        (b'"bounds"', ErrorKind.SKILL_TRAPPED, "out of bounds"),
        (b'"recursion"', ErrorKind.SKILL_TRAPPED, "stack overflowed"),
        (b'"zero"', ErrorKind.SKILL_TRAPPED, "divided"),
        (b'"quit"', ErrorKind.SKILL_TRAPPED, "exit with status 1"),
        (b'"memory"', ErrorKind.SKILL_TRAPPED, "unreachable"),
        (b'"giant"', ErrorKind.OUTPUT_TOO_LARGE, "2097152"),
        (b'"json"', ErrorKind.INVALID_OUTPUT, "Caused by: \n\n"),
        (b'"8"', ErrorKind.INVALID_OUTPUT, "byte 1 is not UTF-8"),
        (b'"internal"', ErrorKind.SKILL_FAILED, 'Error reported by Skill:\n\n"internal"'),
        (b'"v"', ErrorKind.INVALID_INPUT, ':\n\n"v"'),
        (b'"loop"', ErrorKind.DEADLINE_EXCEEDED, "0.3 s."),
        (b'"sleep"', ErrorKind.DEADLINE_EXCEEDED, "0.3 s."),
    ],
)
def test_each_poison_gets_its_error(rogue: Child, deed: bytes, kind: str, text: str) -> None:
    """And the worker lives: it is one for all of them."""
    timeout = 0.3 if kind is ErrorKind.DEADLINE_EXCEEDED else 30.0
    done = rogue.run(deed, artifact="rogue", timeout=timeout)

    assert kind_of(done) == kind
    assert done.failure is not None
    assert text in done.failure.message


def test_a_sleeper_in_wasi_becomes_a_zombie_and_frees_the_slot(
    child: Child, build: Compile
) -> None:
    """Epochs do not reach it; its caller is answered all the same."""
    child.load(build(components.function()))
    assert kind_of(child.run(b'"sleep"', timeout=0.2)) == ErrorKind.DEADLINE_EXCEEDED

    assert child.pong().zombies == 1
    assert child.run(b'"echo"').output == b'"echo"'


def test_others_run_while_one_naps_and_it_goes_on_afterwards(child: Child, build: Compile) -> None:
    """A sleeper loses the slot, not its life."""
    child.load(build(components.function()))
    napping = child.start(b'"nap"')
    other = child.start(b'"echo"')

    first, second = child.hear_a(messages.Done), child.hear_a(messages.Done)

    assert (first.call, first.output) == (other, b'"echo"')
    assert (second.call, second.output) == (napping, b'"nap"')


def test_others_run_beside_an_endless_loop(child: Child, build: Compile) -> None:
    """Time is sliced when somebody waits."""
    child.load(build(components.function()))
    looping = child.start(b'"loop"', timeout=60.0)

    assert child.run(b'"echo"').output == b'"echo"'

    child.say(messages.Cancel(looping))
    done = child.hear_a(messages.Done)
    assert (done.call, kind_of(done)) == (looping, ErrorKind.CANCELLED)


def test_cancel_stops_a_loop_before_it_is_given_up(child: Child, build: Compile) -> None:
    """Through the epoch callback, within some ticks."""
    child.load(build(components.function()))
    looping = child.start(b'"loop"', timeout=60.0)
    child.pong()  # it has begun by then

    child.say(messages.Cancel(looping))

    assert kind_of(child.hear_a(messages.Done)) == ErrorKind.CANCELLED
    assert child.pong().zombies == 0


def test_a_host_call_waits_for_its_answer_without_the_slot(child: Child, build: Compile) -> None:
    """Another call runs from start to end meanwhile."""
    child.load(build(components.function()))
    asking = child.start(b'"call"')
    asked = child.hear_a(messages.HostCall)

    assert asked.body == csi.SelectLanguage([])
    assert child.run(b'"echo"').output == b'"echo"'

    child.say(messages.Answer(asking, asked.request, csi.Languages(["eng", None])))
    assert child.hear_a(messages.Done).output == b'"call"'


def test_a_failed_host_call_ends_the_guest_with_its_cause(child: Child, build: Compile) -> None:
    """Old worlds have no way to handle it."""
    child.load(build(components.function()))
    asking = child.start(b'"call"')
    asked = child.hear_a(messages.HostCall)

    failure = Failure(ErrorKind.CSI_RATE_LIMITED.value, "slow down", 3.0)
    child.say(messages.Answer(asking, asked.request, failure=failure))

    assert child.hear_a(messages.Done).failure == failure


def test_an_answer_of_the_wrong_kind_ends_only_its_call(child: Child, build: Compile) -> None:
    """The guest never sees it."""
    child.load(build(components.function()))
    asking = child.start(b'"call"')
    asked = child.hear_a(messages.HostCall)

    child.say(messages.Answer(asking, asked.request, csi.StreamClosed()))

    assert kind_of(child.hear_a(messages.Done)) == ErrorKind.INTERNAL
    assert child.run(b'"echo"').output == b'"echo"'


def test_a_host_call_that_never_returns_meets_the_deadline(child: Child, build: Compile) -> None:
    """Its thread is free again: no zombie."""
    child.load(build(components.function()))
    child.start(b'"call"', timeout=1.0)
    child.hear_a(messages.HostCall)

    assert kind_of(child.hear_a(messages.Done)) == ErrorKind.DEADLINE_EXCEEDED
    assert child.pong().zombies == 0


def test_cancel_reaches_a_guest_that_waits_for_its_host(child: Child, build: Compile) -> None:
    """At once."""
    child.load(build(components.function()))
    asking = child.start(b'"call"', timeout=60.0)
    child.hear_a(messages.HostCall)

    child.say(messages.Cancel(asking))

    assert kind_of(child.hear_a(messages.Done)) == ErrorKind.CANCELLED


def test_a_stream_is_passed_on_event_by_event(streamer: Child) -> None:
    """Several messages may follow each other."""
    streamer.start(b"barebp")

    events = [streamer.hear_a(messages.Event).event for _ in range(6)]

    assert events == [
        MessageBegin(),
        MessageAppend("a"),
        Reasoning("r"),
        MessageEnd(None),
        MessageBegin(),
        MessageEnd(b"1"),
    ]
    assert streamer.hear_a(messages.Done).failure is None


@pytest.mark.parametrize(
    ("script", "events", "kind"),
    [
        (b"a", 0, ErrorKind.STREAM_ORDER),
        (b"r", 0, ErrorKind.STREAM_ORDER),
        (b"e", 0, ErrorKind.STREAM_ORDER),
        (b"bb", 1, ErrorKind.STREAM_ORDER),
        (b"bea", 2, ErrorKind.STREAM_ORDER),
        (b"bn", 1, ErrorKind.INVALID_OUTPUT),
        (b"baf", 2, ErrorKind.SKILL_FAILED),
    ],
)
def test_a_stream_that_breaks_the_rules_ends_with_its_error(
    streamer: Child, script: bytes, events: int, kind: str
) -> None:
    """What was said before it counts."""
    streamer.start(script)

    for _ in range(events):
        streamer.hear_a(messages.Event)
    assert kind_of(streamer.hear_a(messages.Done)) == kind


def test_a_stream_of_world_0_3_knows_no_reasoning(child: Child, build: Compile) -> None:
    """Its cases have other numbers than those of 0.4."""
    path = build(components.message_stream("0.3.11"))
    child.load(path, world=World.V0_3, kind=SkillKind.MESSAGE_STREAM)
    child.start(b"bae")

    events = [child.hear_a(messages.Event).event for _ in range(3)]

    assert events == [MessageBegin(), MessageAppend("a"), MessageEnd(None)]
    assert child.hear_a(messages.Done).failure is None


def test_a_stream_waits_for_credit_and_can_be_cancelled_there(streamer: Child) -> None:
    """Back-pressure reaches the guest."""
    number = streamer.start(b"bo", credit=3)
    for _ in range(3):
        streamer.hear_a(messages.Event)
    streamer.pong()  # no fourth event came first

    streamer.say(messages.Credit(number, 2))
    for _ in range(2):
        streamer.hear_a(messages.Event)
    streamer.say(messages.Cancel(number))

    assert kind_of(streamer.hear_a(messages.Done)) == ErrorKind.CANCELLED


def test_a_stream_without_end_meets_the_output_cap(streamer: Child) -> None:
    """All events together count."""
    streamer.start(b"bo", credit=1000, output=10)
    for _ in range(11):
        streamer.hear_a(messages.Event)

    assert kind_of(streamer.hear_a(messages.Done)) == ErrorKind.OUTPUT_TOO_LARGE


def test_describe_reads_the_metadata(child: Child, build: Compile) -> None:
    """Schemas come parsed."""
    path = build(components.function(schema='{"type":"object"}'))

    loaded = child.load(path, describe=True)

    schema = {"type": "object"}
    assert loaded == messages.Loaded("skill", None, SkillMetadata(None, schema, schema), None)


def test_describe_reads_metadata_rewritten_to_strings(child: Child, build: Compile) -> None:
    """The same from strings."""
    loaded = child.load(build(components.function(strings=True)), strings=True, describe=True)

    assert loaded.metadata == SkillMetadata(None, {}, {})


def test_world_0_2_has_no_metadata(child: Child, build: Compile) -> None:
    """Neither metadata nor a failure."""
    loaded = child.load(build(components.function("0.2.10")), world=World.V0_2, describe=True)

    assert loaded == messages.Loaded("skill")


@pytest.mark.parametrize(
    ("component", "kind", "text"),
    [
        (
            components.function(describe=components.SELECT_LANGUAGE),
            ErrorKind.CSI_IN_METADATA,
            "CSI",
        ),
        (components.function(describe="(unreachable)"), ErrorKind.SKILL_TRAPPED, "unreachable"),
        (components.function(describe="(loop $l (br $l))"), ErrorKind.DEADLINE_EXCEEDED, "0.3"),
        (components.function(describe=components.SLEEP_LONG), ErrorKind.DEADLINE_EXCEEDED, "0.3"),
        (components.function(schema='{"type": 1}'), ErrorKind.SKILL_FAILED, "JSON Schema"),
        (components.function(schema="{"), ErrorKind.SKILL_FAILED, "not JSON"),
        (components.function(schema="1"), ErrorKind.SKILL_FAILED, "neither an object"),
    ],
)
def test_bad_metadata_is_a_failure_of_its_own_and_the_skill_runs(
    child: Child, build: Compile, component: str, kind: str, text: str
) -> None:
    """The Skill is loaded nevertheless."""
    timeout = 0.3 if kind is ErrorKind.DEADLINE_EXCEEDED else 30.0
    loaded = child.load(build(component), describe=True, timeout=timeout)

    assert (loaded.failure, loaded.metadata) == (None, None)
    assert loaded.metadata_failure is not None
    assert loaded.metadata_failure.kind == kind
    assert text in loaded.metadata_failure.message
    assert child.run(b'"echo"').output == b'"echo"'


@pytest.mark.parametrize(
    "imported",
    [
        '(import "wasi:http/types@0.2.0" (instance))',
        '(import "pharia:skill/toast@0.5.0" (instance (export "burn" (func))))',
        '(import "pharia:skill/tool@0.5.0" (instance (export "list-tools" (func))))',
        '(import "pharia:skill/tool@0.5.0" (instance (export "new-tools" (func))))',
    ],
)
def test_an_import_that_is_not_there_is_named(child: Child, build: Compile, imported: str) -> None:
    """Missing, or there with other types."""
    loaded = child.load(build(components.function(imports=imported)))

    assert loaded.failure is not None
    assert loaded.failure.kind == ErrorKind.MISSING_IMPORT
    assert imported.split('"')[1] in loaded.failure.message


def test_a_wasi_import_that_is_not_there_is_found_by_describe(child: Child, build: Compile) -> None:
    """WASI is wasmtime's to check."""
    imported = '(import "wasi:cli/telepathy@0.2.0" (instance (export "read-mind" (func))))'

    loaded = child.load(build(components.function(imports=imported)), describe=True)

    assert loaded.failure is not None
    assert loaded.failure.kind == ErrorKind.MISSING_IMPORT
    assert "wasi:cli/telepathy" in loaded.failure.message


def test_a_file_that_is_no_artifact_is_refused(child: Child, tmp_path: Path) -> None:
    """It can be made again."""
    path = tmp_path / "x.cwasm"
    path.write_bytes(b"\x7fELF")

    loaded = child.load(path)

    assert loaded.failure is not None
    assert loaded.failure.kind == ErrorKind.CACHE_UNUSABLE


def test_calls_for_which_there_is_no_thread_are_refused_as_overload(
    child: Child, build: Compile
) -> None:
    """And none but these: the worker goes on, and so do the calls before."""
    child.load(build(components.function()))
    asked = []
    for _ in range(2):  # one of them on the thread that loaded: now no thread is idle
        child.start(b'"call"')
        asked.append(child.hear_a(messages.HostCall))
    size = int(Path(f"/proc/{child.process.pid}/statm").read_text().split()[0])
    room = (size * resource.getpagesize() + (1 << 20), resource.RLIM_INFINITY)
    unlimited = resource.prlimit(child.process.pid, resource.RLIMIT_AS, room)

    refused = [child.start(b'"echo"') for _ in range(3)]
    for call in refused:
        done = child.hear_a(messages.Done)
        assert (done.call, kind_of(done)) == (call, ErrorKind.OVERLOADED)
    resource.prlimit(child.process.pid, resource.RLIMIT_AS, unlimited)

    for one in asked:
        child.say(messages.Answer(one.call, one.request, csi.Languages(["eng", None])))
        assert child.hear_a(messages.Done).output == b'"call"'
    assert child.run(b'"echo"').output == b'"echo"'


def test_warm_instances_serve_and_are_made_again(child: Child, build: Compile) -> None:
    """Only under their own cap."""
    child.load(build(components.function()))
    child.say(messages.Warm("skill", 2, 1 << 28))

    until(lambda: child.run(b'"echo"').warm)
    until(lambda: child.run(b'"echo"').warm)

    assert not child.run(b'"echo"', memory=1 << 27).warm  # another cap
    child.say(messages.Warm("skill", 0))
    assert not child.run(b'"echo"').warm


def test_metadata_that_sleeps_keeps_no_one_from_running(child: Child, build: Compile) -> None:
    """Warming up is given up instead."""
    child.load(build(components.function(describe=components.SLEEP_LONG)))
    child.say(messages.Warm("skill", 2, 1 << 28))

    assert child.run(b'"echo"').output == b'"echo"'


def until(condition: Callable[[], bool]) -> None:
    """Try again until it holds; each try is a call, so nothing is slept away."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline


def test_unloaded_skills_are_gone(child: Child, build: Compile) -> None:
    """A call of one is our bug, and says so."""
    child.load(build(components.function()))
    child.say(messages.Unload("skill"))

    assert kind_of(child.run(b"1")) == ErrorKind.INTERNAL


def test_drain_finishes_what_runs_then_leaves(child: Child, build: Compile) -> None:
    """With status 0."""
    child.load(build(components.function()))
    asking = child.start(b'"call"')
    asked = child.hear_a(messages.HostCall)

    child.say(messages.Drain())
    child.say(messages.Answer(asking, asked.request, csi.Languages([])))

    assert child.hear_a(messages.Done).output == b'"call"'
    assert child.process.wait(10) == 0


def test_sigterm_drains_and_sigint_is_the_parents(child: Child) -> None:
    """Ctrl-C reaches the whole process group."""
    child.process.send_signal(signal.SIGINT)
    child.pong()

    child.process.send_signal(signal.SIGTERM)

    assert child.process.wait(10) == 0


def test_a_worker_whose_parent_is_gone_leaves_at_once(child: Child, build: Compile) -> None:
    """Whatever its guests do."""
    child.load(build(components.function()))
    child.start(b'"loop"', timeout=600.0)

    child.hang_up()

    assert child.process.wait(10) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a worker shows its descriptors to root only")
def test_a_worker_has_no_descriptor_but_its_socket(child: Child) -> None:
    """And what the runtime itself needs."""
    found = {
        str(path.readlink())
        for path in Path(f"/proc/{child.process.pid}/fd").iterdir()
        if int(path.name) > 2
    }

    assert all(name.startswith(("socket:", "anon_inode:")) for name in found), found
    assert sum(name.startswith("socket:") for name in found) == 1


def test_a_worker_filters_its_system_calls(child: Child) -> None:
    """As the kernel reports it."""
    status = Path(f"/proc/{child.process.pid}/status").read_text()

    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status


def test_frames_of_many_megabytes_pass(child: Child, build: Compile) -> None:
    """Both ways, as strings."""
    child.load(build(components.function(strings=True)), strings=True)
    text = b'"' + b"e" * (20 << 20) + b'"'

    done = child.run(text, output=32 << 20)

    assert done.output == text


def test_a_call_counts_its_time(child: Child, build: Compile) -> None:
    """Of the processor."""
    child.load(build(components.function()))

    done = child.run(b"1")

    assert 0 < done.cpu < 10
