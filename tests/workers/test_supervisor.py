"""Calls on real child processes: results, deadlines, cancelling, back-pressure, lost workers."""

import asyncio
import json
import os
import signal
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import MessageAppend, StreamEvent, ToolBegin, ToolEnd
from daemon.workers.calls import Invocation
from daemon.workers.dispatch import Bounds
from daemon.workers.health import HealthPolicy
from daemon.workers.policy import SupervisorPolicy
from daemon.workers.report import Finished
from daemon.workers.supervisor import Supervisor
from tests.waiting import until
from tests.workers.scripts import NoTools, artifact, call, scripted, supervisor


async def failing(made: Supervisor, invocation: Invocation) -> DaemonError:
    """The error of a call."""
    with pytest.raises(DaemonError) as caught:
        await made.run(invocation)
    return caught.value


async def pid_of_a_worker(made: Supervisor) -> int:
    """Which process answers."""
    return int(await made.run(call("pid")))


# Results ------------------------------------------------------------------------------------------


async def test_output_of_the_guest_is_the_result() -> None:
    """Byte for byte."""
    async with supervisor() as made:
        assert json.loads(await made.run(call("echo", text="hi"))) == {"do": "echo", "text": "hi"}


async def test_failure_of_the_guest_keeps_its_kind() -> None:
    """A kind that this parent does not know is an internal error."""
    async with supervisor() as made:
        error = await failing(made, call("fail"))
        assert (error.kind, error.detail) == (ErrorKind.SKILL_FAILED, "no luck")
        assert (await failing(made, call("strange"))).kind is ErrorKind.INTERNAL


async def test_many_calls_at_once_all_get_their_own_answer() -> None:
    """However they are spread over the workers."""
    async with supervisor(workers=2) as made:
        answers = await asyncio.gather(*(made.run(call("echo", n=n)) for n in range(200)))
        assert [json.loads(one)["n"] for one in answers] == list(range(200))


async def test_every_answered_call_is_observed() -> None:
    """With its outcome and what it cost; the totals add up."""
    seen: list[Finished] = []
    async with supervisor(finished=seen.append) as made:
        await made.run(call("echo"))
        await failing(made, call("fail", skill="other"))
        stats = made.stats

    good, bad = seen
    assert (str(good.path), good.error, good.cpu, good.warm) == ("team/one", None, 0.5, True)
    assert (str(bad.path), bad.error) == ("team/other", ErrorKind.SKILL_FAILED)
    assert good.wall > 0
    assert (stats.cpu_seconds, stats.warm) == (1.0, 2)
    assert (stats.workers_up, stats.running, stats.queued, stats.waiting) == (1, 0, 0, 0)


# Deadlines and cancelling -------------------------------------------------------------------------


async def test_deadline_is_kept_even_if_the_worker_does_not_react() -> None:
    """The caller has his answer at the deadline; the call keeps its place at the worker."""
    async with supervisor() as made:
        loop = asyncio.get_running_loop()
        began = loop.time()

        error = await failing(made, call("ignore", timeout=0.2))

        assert error.kind is ErrorKind.DEADLINE_EXCEEDED
        assert "within its time limit of 0.2 s" in error.detail
        assert 0.2 <= loop.time() - began < 1.0
        assert made.stats.running == 1


async def test_callers_own_deadline_counts_if_it_is_earlier() -> None:
    """A request has one deadline, however many Skills serve it."""
    async with supervisor() as made:
        soon = csi.Caller(deadline=asyncio.get_running_loop().time() + 0.1)
        error = await failing(made, replace(call("stay"), caller=soon))
        assert error.kind is ErrorKind.DEADLINE_EXCEEDED


async def test_cancelled_caller_cancels_the_guest() -> None:
    """The worker says `Done` to the `Cancel`, and its place is free again."""
    async with supervisor() as made:
        running = asyncio.ensure_future(made.run(call("stay")))
        await until(lambda: made.stats.running == 1)

        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        await until(lambda: made.stats.running == 0)
        await made.run(call())


async def test_cancelled_caller_leaves_the_queue() -> None:
    """Nothing is sent to a worker for nobody."""
    policy = SupervisorPolicy(bounds=Bounds(depth=1))
    async with supervisor(policy=policy) as made:
        first = asyncio.ensure_future(made.run(call("stay")))
        second = asyncio.ensure_future(made.run(call()))
        await until(lambda: made.stats.queued == 1)

        second.cancel()
        await until(lambda: made.stats.queued == 0)
        first.cancel()
        await asyncio.wait([first, second])


async def test_worker_that_does_not_end_cancelled_calls_is_replaced() -> None:
    """It can't be told what still happens in there."""
    health = HealthPolicy(stuck=0.05)
    async with supervisor(ping_interval=0.05, health=health) as made:
        before = await pid_of_a_worker(made)
        await failing(made, call("ignore", timeout=0.05))
        await until(lambda: made.stats.restarts.get("stuck", 0) == 1)
        assert await pid_of_a_worker(made) != before


# Streams ------------------------------------------------------------------------------------------


async def texts(made: Supervisor, invocation: Invocation) -> list[str]:
    """All texts of a stream."""
    return [event.text async for event in made.stream(invocation)]  # type: ignore[union-attr]


async def test_events_of_a_stream_come_in_order_and_all() -> None:
    """Also far more than the credit."""
    async with supervisor() as made:
        got = await texts(made, call("stream", events=500))
        assert got == [str(left) for left in range(500, 0, -1)]


async def test_slow_reader_bounds_what_is_buffered() -> None:
    """The worker stops at its credit, until the reader has taken some."""
    async with supervisor() as made:
        stream = made.stream(call("stream", events=10_000))
        for taken in range(1, 200):
            await anext(stream)
            left = int(await made.run(call("left")))
            assert 0 < 10_000 - left - taken <= 32
        await stream.aclose()


async def test_closed_stream_cancels_the_guest() -> None:
    """As a client that disconnects does."""
    async with supervisor() as made:
        stream = made.stream(call("stream", events=1000))
        await anext(stream)
        assert made.stats.running == 1

        await stream.aclose()

        await until(lambda: made.stats.running == 0)


async def test_stream_that_fails_raises_after_its_events() -> None:
    """With the error of the guest."""
    async with supervisor() as made:
        with pytest.raises(DaemonError, match="no luck"):
            await texts(made, call("fail"))


async def test_stream_has_a_deadline() -> None:
    """As a function has."""
    async with supervisor() as made:
        with pytest.raises(DaemonError, match="time limit"):
            await texts(made, call("stay", timeout=0.1))


@pytest.mark.parametrize("misdeed", ["flood", "tool-event"])
async def test_worker_that_breaks_the_rules_of_streams_is_killed(misdeed: str) -> None:
    """More events than credit, or events that are not a guest's."""
    async with supervisor() as made:
        with pytest.raises(DaemonError, match="without credit for it") as caught:
            async for _ in made.stream(call(misdeed)):
                pass
        assert caught.value.kind is ErrorKind.WORKER_LOST


# Host calls ---------------------------------------------------------------------------------------


async def test_host_call_is_answered_for_the_namespace_of_the_skill() -> None:
    """Whatever namespace the caller names; the deadline is that of the call."""
    host = NoTools()
    async with supervisor(host=host) as made:
        assert await made.run(call("host")) == b"[]"
        (caller,) = host.callers
        assert caller.namespace == "team"
        assert caller.deadline is not None
        await until(lambda: host.closed == 1)


async def test_waiting_calls_use_no_place() -> None:
    """Ten calls wait for their host at a worker that runs one at a time; an eleventh runs."""
    host = NoTools()
    host.let.clear()
    policy = SupervisorPolicy(bounds=Bounds(depth=1))
    async with supervisor(host=host, policy=policy) as made:
        waiting = [asyncio.ensure_future(made.run(call("host"))) for _ in range(10)]
        await until(lambda: made.stats.waiting == 10)

        await made.run(call())

        host.let.set()
        assert await asyncio.gather(*waiting) == [b"[]"] * 10
        assert made.stats.waiting == 0


async def test_error_of_the_host_ends_the_call_with_its_kind() -> None:
    """Also with the time after which to try again."""
    host = NoTools()
    host.error = DaemonError(ErrorKind.CSI_RATE_LIMITED, "slow down", retry_after=3.0)
    async with supervisor(host=host) as made:
        error = await failing(made, call("host"))
        assert (error.kind, error.retry_after) == (ErrorKind.CSI_RATE_LIMITED, 3.0)


async def test_bug_in_the_host_ends_the_call_too(caplog: pytest.LogCaptureFixture) -> None:
    """Its text is for our log, not for callers."""
    host = NoTools()
    host.error = ZeroDivisionError("ours")
    async with supervisor(host=host) as made:
        error = await failing(made, call("host"))
        assert error.kind is ErrorKind.INTERNAL
        assert "ours" not in error.detail
    assert "for a bug of ours" in caplog.text


async def test_host_calls_end_with_their_call() -> None:
    """At the deadline as well as with the caller."""
    host = NoTools()
    host.let.clear()
    async with supervisor(host=host) as made:
        await failing(made, call("host", timeout=0.1))
        await until(lambda: host.cancelled == 1 and host.closed == 1)


async def test_tool_events_stand_between_the_events_of_the_guest() -> None:
    """One queue for both."""
    host = NoTools()
    host.events = [ToolBegin("add"), ToolEnd("add")]
    async with supervisor(host=host) as made:
        got: list[StreamEvent] = [event async for event in made.stream(call("host", then="stream"))]
        assert got == [ToolBegin("add"), ToolEnd("add"), MessageAppend("1")]


async def test_functions_drop_tool_events() -> None:
    """However many; there is nobody to show them to."""
    host = NoTools()
    host.events = [ToolBegin("add")] * 100
    async with supervisor(host=host) as made:
        assert await made.run(call("host")) == b"[]"


async def test_host_call_that_is_asked_twice_ends_the_worker() -> None:
    """Numbers are unique: this worker is not to be trusted."""
    host = NoTools()
    host.let.clear()
    async with supervisor(host=host) as made:
        error = await failing(made, call("twice"))
        assert "asked twice" in error.detail


def exists(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# Lost workers -------------------------------------------------------------------------------------


async def test_killed_worker_under_load_harms_no_call() -> None:
    """None had an effect yet, so all that were with it are tried again elsewhere."""
    async with supervisor(workers=2) as made:
        pid = await pid_of_a_worker(made)
        calls = [asyncio.ensure_future(made.run(call("echo", n=n))) for n in range(300)]
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)

        answers = await asyncio.gather(*calls)

        assert len(answers) == 300
        await until(lambda: made.stats.restarts.get("crashed") == 1)
        await until(lambda: made.stats.workers_up == 2)


async def test_call_that_kills_its_worker_is_tried_twice_only() -> None:
    """Its neighbours at the other worker go on."""
    async with supervisor(workers=2) as made:
        error = await failing(made, call("exit"))

        assert error.kind is ErrorKind.WORKER_LOST
        assert "exited with status 3, at its second attempt" in error.detail
        assert error.retry_after is not None
        await until(lambda: made.stats.workers_up == 2)
        await made.run(call())


async def test_skill_that_keeps_killing_workers_is_not_tried_again() -> None:
    """Each further call of it costs one worker, not two. A success clears its name."""
    async with supervisor(workers=2) as made:
        await failing(made, call("exit"))
        await until(lambda: made.stats.workers_up == 2)
        before = made.stats.restarts["crashed"]

        await failing(made, call("exit"))
        assert made.stats.restarts["crashed"] == before + 1

        await made.run(call())
        await until(lambda: made.stats.workers_up == 2)
        error = await failing(made, call("exit"))
        assert "at its second attempt" in error.detail


async def test_death_of_a_worker_counts_once_however_many_calls_of_a_skill_it_had() -> None:
    """They are innocent of it: each is tried again, also the third."""
    policy = SupervisorPolicy(bounds=Bounds(depth=8))
    async with supervisor(policy=policy) as made:
        pid = await pid_of_a_worker(made)
        stays = call("pid", elsewhere=pid, skill="busy")
        busy = [asyncio.ensure_future(made.run(stays)) for _ in range(4)]
        await until(lambda: made.stats.running == 4)
        os.kill(pid, signal.SIGKILL)

        again = await asyncio.gather(*busy)

        assert all(int(answer) != pid for answer in again)


async def test_call_that_is_tried_again_keeps_its_deadline() -> None:
    """Also while it waits for a worker: the next one is busy loading."""
    async with supervisor(policy=SupervisorPolicy(queue_timeout=0.5)) as made:
        for number in range(500):
            await made.load(artifact(f"brief-{number}"), describe=False)
        pid = await pid_of_a_worker(made)
        again = asyncio.ensure_future(failing(made, call("pid", elsewhere=pid, timeout=0.3)))
        await until(lambda: made.stats.running == 1)
        os.kill(pid, signal.SIGKILL)

        assert (await again).kind is ErrorKind.DEADLINE_EXCEEDED


async def test_call_that_may_have_had_effects_is_not_tried_again() -> None:
    """It has asked its host already."""
    async with supervisor() as made:
        error = await failing(made, call("host-exit"))
        assert "may have had effects" in error.detail
        await until(lambda: made.stats.workers_up == 1)
        assert made.stats.restarts == {"crashed": 1}


@pytest.mark.parametrize("misdeed", ["garbage", "giant", "half", "hello"])
async def test_nonsense_from_a_worker_costs_it_its_life(misdeed: str) -> None:
    """Garbage, giants, halves and frames out of place."""
    async with supervisor() as made:
        error = await failing(made, call(misdeed))
        assert error.kind is ErrorKind.WORKER_LOST
        await until(lambda: made.stats.workers_up == 1)
        await made.run(call())


async def test_hung_worker_is_killed_and_replaced() -> None:
    """A stopped process answers no ping. Its call is tried again on the next."""
    async with supervisor(ping_interval=0.1, health=HealthPolicy(pings=10)) as made:
        pid = await pid_of_a_worker(made)
        os.kill(pid, signal.SIGSTOP)
        assert int(await made.run(call("pid"))) != pid
        assert made.stats.restarts == {"hung": 1}


async def test_replacement_has_every_artifact_before_it_takes_calls() -> None:
    """A respawned worker is as good as the first."""
    async with supervisor() as made:
        for name in ("a", "b", "c"):
            await made.load(artifact(name), describe=False)
        await failing(made, call("exit"))
        loaded = json.loads(await made.run(call("loaded")))
        assert sorted(loaded) == ["a", "b", "c", "plain"]


@pytest.mark.parametrize(
    ("health", "reason", "do"),
    [
        (HealthPolicy(calls=2, pings=500), "calls", "echo"),
        (HealthPolicy(resident=2 << 20, pings=500), "memory", "bloat"),
        (HealthPolicy(zombies=2, pings=500), "zombies", "zombie"),
    ],
)
async def test_worn_worker_is_replaced_without_a_failing_call(
    health: HealthPolicy, reason: str, do: str
) -> None:
    """Its successor is there before it goes."""
    async with supervisor(ping_interval=0.02, health=health) as made:
        before = await pid_of_a_worker(made)
        for _ in range(50):
            await made.run(call(do))
        await until(lambda: made.stats.restarts.get(reason, 0) >= 1)
        assert await pid_of_a_worker(made) != before
        assert set(made.stats.restarts) == {reason}


async def test_worker_that_starts_above_the_cap_is_not_replaced_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No successor would be smaller; the operator is told once, with the setting's name."""
    health = HealthPolicy(resident=1 << 19, calls=40, pings=500)
    async with supervisor(workers=2, ping_interval=0.02, health=health) as made:
        while not made.stats.restarts:
            await made.run(call())

        assert set(made.stats.restarts) == {"calls"}
    told = [one.getMessage() for one in caplog.records if "WORKER_MEMORY" in one.getMessage()]
    assert len(told) == 1


async def test_replaced_worker_finishes_its_calls() -> None:
    """However long they wait for their host."""
    health = HealthPolicy(zombies=1, pings=500)
    host = NoTools()
    host.let.clear()
    async with supervisor(host=host, ping_interval=0.02, health=health) as made:
        pid = await pid_of_a_worker(made)
        slow = asyncio.ensure_future(made.run(call("host")))
        await made.run(call("zombie"))
        await until(lambda: made.stats.restarts.get("zombies", 0) == 1)
        os.kill(pid, 0)  # it is still there

        host.let.set()

        assert await slow == b"[]"


async def test_worker_that_is_replaced_serves_until_its_successor_does() -> None:
    """Also where it is the only one: the daemon stays ready."""
    health = HealthPolicy(zombies=1, pings=500)
    async with supervisor(ping_interval=0.02, health=health) as made:
        await made.run(call("zombie"))
        while not made.stats.restarts:
            assert made.stats.workers_up == 1
            await asyncio.sleep(0)


async def test_worker_that_finishes_its_calls_keeps_no_other_from_being_replaced() -> None:
    """Its calls may take as long as any call may."""
    health = HealthPolicy(zombies=1, pings=500)
    host = NoTools()
    host.let.clear()
    async with supervisor(host=host, ping_interval=0.02, health=health) as made:
        for replaced in (1, 2):
            slow = asyncio.ensure_future(made.run(call("host")))
            await until(lambda: made.stats.waiting >= 1)
            await made.run(call("zombie"))
            await until(lambda n=replaced: made.stats.restarts.get("zombies") == n)
            assert not slow.done()
        host.let.set()


async def test_worker_whose_last_calls_do_not_end_is_not_waited_for() -> None:
    """Those who called have their answers."""
    health = HealthPolicy(stuck=0.05, pings=500)
    async with supervisor(ping_interval=0.02, health=health, drain=3600.0) as made:
        pid = await pid_of_a_worker(made)
        await failing(made, call("ignore", timeout=0.01))
        await until(lambda: made.stats.restarts.get("stuck") == 1)
        await until(lambda: not exists(pid))


# Artifacts ----------------------------------------------------------------------------------------


async def test_load_tells_what_the_skill_says_of_itself() -> None:
    """One worker is asked, all have it."""
    async with supervisor(workers=2) as made:
        told = await made.load(artifact("fresh"), describe=True)
        assert told.metadata is not None
        assert told.metadata.description == "scripted"
        for _ in range(4):
            assert "fresh" in json.loads(await made.run(call("loaded", of="fresh")))


async def test_bad_artifact_is_an_error_of_its_kind() -> None:
    """It is not called afterwards either."""
    async with supervisor() as made:
        with pytest.raises(DaemonError, match="wasi:http") as caught:
            await made.load(artifact("bad"), describe=False)
        assert caught.value.kind is ErrorKind.MISSING_IMPORT
        assert (await failing(made, call(of="bad"))).kind is ErrorKind.SKILL_NOT_READY


async def test_artifact_that_kills_a_worker_harms_one_only() -> None:
    """The others never see it."""
    async with supervisor(workers=2) as made:
        with pytest.raises(DaemonError, match="died while it loaded"):
            await made.load(artifact("deadly"), describe=False)
        await made.run(call())
        await until(lambda: made.stats.workers_up == 2)
        assert made.stats.restarts == {"crashed": 1}


async def test_load_has_a_time_limit() -> None:
    """A worker that does not answer is no reason to wait for ever."""
    async with supervisor(load=0.1) as made:
        with pytest.raises(DaemonError, match=r"within 0\.1 s"):
            await made.load(artifact("slow"), describe=False)


async def test_unloaded_artifact_stays_for_the_calls_it_has() -> None:
    """And goes with the last of them."""
    host = NoTools()
    host.let.clear()
    async with supervisor(host=host) as made:
        await made.load(artifact("old"), describe=False)
        running = asyncio.ensure_future(made.run(call("host", of="old")))
        await until(lambda: made.stats.waiting == 1)

        made.unload("old")
        assert "old" in json.loads(await made.run(call("loaded")))

        host.let.set()
        await running
        assert "old" not in json.loads(await made.run(call("loaded")))
        error = await failing(made, call(of="old"))
        assert error.kind is ErrorKind.SKILL_NOT_READY


async def test_loading_twice_at_the_same_time_is_fine() -> None:
    """Each asker gets what he asked for."""
    async with supervisor(workers=2) as made:
        loads = [made.load(artifact("same"), describe=describe) for describe in (True, False)]
        told, silent = await asyncio.gather(*loads)
        assert told.metadata is not None
        assert silent.metadata is None


# Admission ----------------------------------------------------------------------------------------


async def test_share_of_a_skill_is_bounded() -> None:
    """Other Skills do not notice."""
    async with supervisor() as made:
        first = asyncio.ensure_future(made.run(call("stay", concurrency=1)))
        await asyncio.sleep(0)
        error = await failing(made, call(concurrency=1))
        assert (error.kind, error.retry_after) == (ErrorKind.TOO_MANY_CALLS, 1.0)
        await made.run(call(skill="two"))
        first.cancel()
        await asyncio.wait([first])


async def test_queue_has_a_wait_limit() -> None:
    """Better an answer now than one that nobody waits for."""
    policy = SupervisorPolicy(bounds=Bounds(depth=1), queue_timeout=0.1, patience=60.0)
    async with supervisor(policy=policy) as made:
        first = asyncio.ensure_future(made.run(call("stay")))
        await asyncio.sleep(0)
        error = await failing(made, call())
        assert (error.kind, error.retry_after) == (ErrorKind.OVERLOADED, 1.0)
        assert "within 0.1 s" in error.detail
        first.cancel()
        await asyncio.wait([first])


async def test_endless_guests_do_not_keep_others_waiting() -> None:
    """Both places of the only worker are taken for good; the next call gets in nevertheless."""
    policy = SupervisorPolicy(patience=0.05)
    async with supervisor(policy=policy) as made:
        endless = [asyncio.ensure_future(made.run(call("stay"))) for _ in range(2)]
        await until(lambda: made.stats.running == 2)
        await made.run(call(skill="two"))
        for one in endless:
            one.cancel()
        await asyncio.wait(endless)


async def test_burst_of_one_skill_delays_another_by_a_turn_only() -> None:
    """Ninety calls stand before the quiet one."""
    policy = SupervisorPolicy(bounds=Bounds(depth=1))
    order: list[str] = []

    async def one(made: Supervisor, skill: str) -> None:
        await made.run(call(skill=skill))
        order.append(skill)

    async with supervisor(policy=policy) as made, asyncio.TaskGroup() as group:
        for _ in range(90):
            group.create_task(one(made, "burst"))
        group.create_task(one(made, "quiet"))
    assert Counter(order) == {"burst": 90, "quiet": 1}
    assert order.index("quiet") < 4


# Stopping -----------------------------------------------------------------------------------------


async def test_stop_lets_calls_finish_and_takes_no_new_ones() -> None:
    """In this order."""
    host = NoTools()
    host.let.clear()
    async with supervisor(host=host) as made:
        running = asyncio.ensure_future(made.run(call("host")))
        await until(lambda: made.stats.waiting == 1)

        stopping = asyncio.ensure_future(made.stop(grace=20.0))
        await asyncio.sleep(0)
        assert (await failing(made, call())).kind is ErrorKind.SHUTTING_DOWN
        host.let.set()

        assert await running == b"[]"
        await stopping
        assert made.stats.workers_up == 0


async def test_stop_ends_what_takes_too_long() -> None:
    """Running or queued, each caller has an answer."""
    policy = SupervisorPolicy(bounds=Bounds(depth=1), patience=60.0)
    async with supervisor(policy=policy) as made:
        calls: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(made.run(call(do))) for do in ("ignore", "echo")
        ]
        await until(lambda: made.stats.queued == 1)
        await made.stop(grace=0.05)
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert [error.kind for error in errors] == [ErrorKind.SHUTTING_DOWN] * 2


async def test_start_that_fails_leaves_no_process() -> None:
    """And says what the worker said."""
    with pytest.raises(DaemonError, match="no engine for this CPU"):
        async with supervisor(workers=2, command=scripted("dead")):
            pass


async def test_workers_keep_the_hottest_artifacts_warm() -> None:
    """A fresh deployment at once, a retired one no more."""
    async with supervisor() as made:
        await made.load(artifact("hot"), describe=False)
        assert set(json.loads(await made.run(call("warm")))) == {"plain", "hot"}
        made.unload("hot")
        assert set(json.loads(await made.run(call("warm")))) == {"plain"}


async def test_warm_instances_follow_the_memory_cap_of_their_calls() -> None:
    """One with another cap is of no use: an edit of `memory` must not leave a Skill cold."""
    async with supervisor(policy=SupervisorPolicy(warm_interval=0.01)) as made:
        for memory in (1 << 20, 1 << 21):
            asked = call("warm", memory=memory)
            while json.loads(await made.run(asked))["plain"] != memory:
                pass


# Ends of what must not end ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["heartbeat", "warmth"])
async def test_the_end_of_what_must_not_end_is_told(what: str) -> None:
    """The app ends the process then; half dead it would hang calls."""
    broken: Any = "soon"  # no number: the first sleep fails
    fleet = {"ping_interval": broken} if what == "heartbeat" else {}
    policy = SupervisorPolicy(warm_interval=broken) if what == "warmth" else None
    told = list[BaseException]()
    async with supervisor(on_fatal=told.append, policy=policy, **fleet):
        await until(lambda: bool(told))
    assert isinstance(told[0], TypeError)
