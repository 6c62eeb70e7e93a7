from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from daemon.names import SkillPath, Tag
from daemon.namespaces.desired import Skills
from daemon.reconcile.plan import NEVER, plan
from daemon.skill import AnySpec, RegistryRef, SkillSpec

PATHS = [SkillPath.parse("team", name) for name in "abc"]


@dataclass(frozen=True)
class Standing:
    """An attempt."""

    spec: AnySpec
    running: bool = False
    due: float = NEVER


def spec(path: SkillPath, tag: str = "v1") -> SkillSpec:
    """A wish for this tag."""
    return SkillSpec(path, RegistryRef(host="r.example.org"), Tag(tag))


A = PATHS[0]


def test_a_new_wish_starts_and_an_old_attempt_is_dropped() -> None:
    """Also while it runs."""
    todo = plan(
        wanted={A: spec(A, "v2")},
        served={A},
        attempts={A: Standing(spec(A, "v1"), running=True)},
        now=0.0,
    )

    assert (todo.start, todo.drop, todo.retire) == ((A,), (A,), ())


def test_a_failed_attempt_waits_for_its_time() -> None:
    """And is due from then on."""
    attempts = {A: Standing(spec(A), due=5.0)}

    early = plan(wanted={A: spec(A)}, served=set(), attempts=attempts, now=4.0)
    late = plan(wanted={A: spec(A)}, served=set(), attempts=attempts, now=5.0)

    assert early.start == ()
    assert late.start == (A,)


def test_what_is_no_longer_wanted_is_retired() -> None:
    """At once."""
    assert plan(wanted={}, served={A}, attempts={}, now=0.0).retire == (A,)


_skills = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["v1", "v2"])).map(
    lambda tags: {path: spec(path, tag) for path, tag in tags.items()}
)
_attempts = st.dictionaries(
    st.sampled_from(PATHS),
    st.tuples(st.sampled_from(["v1", "v2"]), st.booleans(), st.sampled_from([1.0, 3.0, NEVER])),
).map(lambda all_: {p: Standing(spec(p, tag), run, due) for p, (tag, run, due) in all_.items()})


@given(_skills, st.sets(st.sampled_from(PATHS)), _attempts)
def test_no_wish_is_forgotten(
    wanted: Skills, served: set[SkillPath], attempts: dict[SkillPath, Standing]
) -> None:
    """Each is being started, is running, or has its time, unless it waits for a change."""
    todo = plan(wanted=wanted, served=served, attempts=attempts, now=2.0)

    for path, wish in wanted.items():
        attempt = attempts.get(path)
        settled = attempt is not None and attempt.spec == wish
        assert path in todo.start or (
            settled and (attempts[path].running or attempts[path].due > 2.0)
        )
        assert path not in todo.retire
    for path in todo.start:
        assert path in wanted
        assert path in todo.drop or path not in attempts or not attempts[path].running
    assert set(todo.retire) == served - wanted.keys()
