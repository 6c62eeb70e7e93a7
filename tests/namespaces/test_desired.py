from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.names import Namespace, SkillName, SkillPath, Tag
from daemon.namespaces.config import ChatEntry, NamespaceConfig, SkillEntry, parse
from daemon.namespaces.desired import Surroundings, Wish, merge, wish
from daemon.skill import RegistryRef, SkillSpec

TEAM = Namespace("team")
REGISTRY = RegistryRef(host="registry.example.org")


def wished(text: str, *, previous: Wish | None = None) -> Wish:
    """The wish that a text makes."""
    config, _ = parse(text.encode(), file="n.toml")
    assert config is not None
    return wish(TEAM, config, Surroundings("n.toml", registry=REGISTRY, previous=previous))[0]


def tags(one: Wish) -> dict[str, str]:
    """Name to tag."""
    return {spec.path.name: spec.tag for spec in one.skills if isinstance(spec, SkillSpec)}


def test_the_default_registry_fills_in() -> None:
    """Unless the file names its own."""
    own = 'skills = [{ name = "a" }]\n[registry]\nregistry = "own.example.org"'

    assert wished('skills = [{ name = "a" }]').skills[0].registry == REGISTRY  # type: ignore[union-attr]
    assert wished(own).skills[0].registry == RegistryRef(host="own.example.org")  # type: ignore[union-attr]


def test_without_any_registry_only_chat_skills_are_wanted() -> None:
    """And the way out is told."""
    chat = ChatEntry(SkillName("chat"), "1", "m", "p")
    config = NamespaceConfig(skills=(SkillEntry(SkillName("a")), chat))

    result, (problem,) = wish(TEAM, config, Surroundings("n.toml"))

    assert [spec.path.name for spec in result.skills] == ["chat"]
    assert "REGISTRY" in problem.message


def test_a_relative_directory_is_relative_to_the_file() -> None:
    """And an error where there is no file."""
    config = NamespaceConfig(
        skills=(SkillEntry(SkillName("a")),), registry=RegistryRef(directory=Path("../skills"))
    )

    result, _ = wish(TEAM, config, Surroundings("n", base=Path("/ns/team")))
    nothing, problems = wish(TEAM, config, Surroundings("https://example.org"))

    assert result.skills[0].registry == RegistryRef(directory=Path("/ns/team/../skills"))  # type: ignore[union-attr]
    assert nothing.skills == ()
    assert len(problems) == 1


def test_an_entry_held_back_keeps_its_earlier_version() -> None:
    """Its neighbours move on."""
    before = wished('skills = [{ name = "a", tag = "v1" }, { name = "b", tag = "v1" }]')

    after = wished(
        'skills = [{ name = "a", tag = "v 2" }, { name = "b", tag = "v2" }]', previous=before
    )

    assert tags(after) == {"a": "v1", "b": "v2"}


def test_an_entry_without_a_name_withdraws_nothing() -> None:
    """It may be the one that is missing."""
    before = wished('skills = [{ name = "a" }]')

    assert tags(wished('skills = [{ nmae = "a" }]', previous=before)) == {"a": "latest"}
    assert tags(wished("skills = []", previous=before)) == {}


def test_the_operator_wins_a_clash_and_it_is_reported() -> None:
    """The team's Skills of that namespace are not wanted at all."""
    chat = NamespaceConfig(skills=(ChatEntry(SkillName("chat"), "1", "m", "p"),))
    operator = {TEAM: wish(TEAM, chat, Surroundings("settings"))[0]}

    desired = merge({TEAM: wished('skills = [{ name = "a" }]')}, operator)

    assert set(desired.skills) == {SkillPath.parse("team", "chat")}
    assert desired.clashes == (TEAM,)


_names = st.sampled_from(["a", "b", "c"]).map(SkillName)
_configs = st.builds(
    NamespaceConfig,
    skills=st.lists(
        st.builds(SkillEntry, _names, st.sampled_from(["v1", "v2"]).map(Tag)),
        unique_by=lambda entry: entry.name,
    ).map(tuple),
    held=st.frozensets(_names),
    unnamed=st.booleans(),
)


@given(_configs, _configs)
def test_nothing_that_is_held_or_stated_vanishes(
    first: NamespaceConfig, second: NamespaceConfig
) -> None:
    """Whatever the two edits were."""
    before, _ = wish(TEAM, first, Surroundings("n", registry=REGISTRY))
    after, _ = wish(TEAM, second, Surroundings("n", registry=REGISTRY, previous=before))

    kept = {spec.path.name for spec in after.skills}
    earlier = {spec.path.name for spec in before.skills}
    assert {entry.name for entry in second.skills} <= kept
    assert earlier & second.held <= kept
    assert not second.unnamed or earlier <= kept
