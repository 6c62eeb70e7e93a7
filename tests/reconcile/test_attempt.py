from pathlib import Path

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, Tag
from daemon.reconcile.attempt import Attempt
from daemon.reconcile.plan import NEVER
from daemon.skill import ChatSpec, RegistryRef, SkillSpec
from tests.reconcile.conftest import path

REGISTRY = RegistryRef(host="registry.example.org")
DIGEST = Digest("sha256:" + "1" * 64)
DOWN = DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "down")
BAD = DaemonError(ErrorKind.NOT_A_COMPONENT, "not a component")


def attempt(*, pinned: bool = False) -> Attempt:
    """One for a moving tag, or for a pin."""
    spec = SkillSpec(path("team/a"), REGISTRY, Tag("v1"), DIGEST if pinned else None)
    return Attempt(spec=spec, generation=1, noticed=0.0)


def failed(one: Attempt, error: DaemonError) -> bool:
    """Let it fail at 100 s; True if that is news."""
    return one.failed(error, now=100.0, interval=10.0, random=0.0)


def test_a_moving_tag_is_looked_at_again_and_a_pin_is_not() -> None:
    """Nor a chat Skill, which has nothing that could move."""
    moving, pinned = attempt(), attempt(pinned=True)
    chat = Attempt(spec=ChatSpec(path("team/c"), "1", "m", "p"), generation=1, noticed=0.0)
    for one in (moving, pinned, chat):
        one.succeeded(now=100.0, interval=10.0)

    assert [one.due for one in (moving, pinned, chat)] == [110.0, NEVER, NEVER]


def test_a_passing_failure_backs_off() -> None:
    """It is news once."""
    one = attempt()

    assert [failed(one, DOWN), failed(one, DOWN)] == [True, False]
    assert one.due == 102.0
    assert one.retry_at is not None
    assert one.succeeded(now=200.0, interval=10.0)
    assert one.failures == 0


def test_retry_after_is_honoured() -> None:
    """The registry knows best when it has room again."""
    one = attempt()
    failed(one, DaemonError(ErrorKind.REGISTRY_RATE_LIMITED, "slow down", retry_after=77.0))

    assert one.due == 177.0


def test_a_permanent_failure_refuses_the_digest() -> None:
    """A moving tag may still move; a pin can't."""
    moving, pinned = attempt(), attempt(pinned=True)
    for one in (moving, pinned):
        one.digest = DIGEST
        failed(one, BAD)

    assert moving.stalled
    assert moving.refused == DIGEST
    assert (moving.due, pinned.due) == (110.0, NEVER)


def test_files_are_looked_at_whenever_something_happens() -> None:
    """Also those that were missing or at fault; what failed on the way waits for its time."""
    spec = SkillSpec(path("team/a"), RegistryRef(directory=Path("skills")))
    fine, missing, broken, unlucky = (
        Attempt(spec=spec, generation=1, noticed=0.0, digest=DIGEST) for _ in range(4)
    )
    failed(missing, DaemonError(ErrorKind.NOT_IN_REGISTRY, "no a.wasm"))
    failed(broken, BAD)
    failed(unlucky, DaemonError(ErrorKind.COMPILE_LIMIT, "too slow"))

    found = [one.at_every_tick for one in (fine, missing, broken, unlucky)]

    assert found == [True, True, True, False]
    assert not attempt().at_every_tick


def test_whoever_asks_is_obeyed_unless_the_registry_named_a_time() -> None:
    """A reload tries again what failed; a pin that is served has nothing to look for."""
    moving, pinned, down, limited = attempt(), attempt(pinned=True), attempt(), attempt()
    failed(down, DOWN)
    failed(limited, DaemonError(ErrorKind.REGISTRY_RATE_LIMITED, "slow down", retry_after=77.0))

    assert [one.on_request for one in (moving, pinned, down, limited)] == [True, False, True, False]
