from hypothesis import given
from hypothesis import strategies as st

from daemon.names import SkillPath, Tag
from daemon.namespaces.diff import Retire, Serve, Skills, diff
from daemon.skill import RegistryRef, SkillSpec

PATHS = [SkillPath.parse("team", name) for name in "abcd"]


def spec(path: SkillPath, tag: str) -> SkillSpec:
    """A wish for this tag."""
    return SkillSpec(path, RegistryRef(host="r.example.org"), Tag(tag))


_skills = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["v1", "v2"])).map(
    lambda tags: {path: spec(path, tag) for path, tag in tags.items()}
)


def test_a_new_tag_is_one_change() -> None:
    """Never a retirement in between."""
    path = PATHS[0]

    assert diff({path: spec(path, "v1")}, {path: spec(path, "v2")}) == (
        Serve(path, spec(path, "v2")),
    )


@given(_skills, _skills)
def test_changes_lead_from_served_to_wanted(served: Skills, wanted: Skills) -> None:
    """Each path changes at most once."""
    changes = diff(served, wanted)

    result = dict(served)
    for change in changes:
        match change:
            case Serve(path, one):
                result[path] = one
            case Retire(path):
                del result[path]
    assert result == wanted
    assert len({change.path for change in changes}) == len(changes)


@given(_skills)
def test_what_is_served_as_wanted_stays_untouched(skills: Skills) -> None:
    """No change, no work."""
    assert diff(skills, skills) == ()
