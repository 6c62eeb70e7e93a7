import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.names import Digest, SkillName, Tag
from daemon.namespaces.config import ChatEntry, SkillEntry, parse
from daemon.namespaces.status import Problem
from daemon.skill import RegistryRef

GOOD = """
skills = [
  { name = "greet", tag = "v1" },
  { name = "greet2" },
  { type = "chat", name = "assistant", version = "1", model = "m", system_prompt = "Be kind." },
]
mcp-servers = ["https://example.org/mcp"]
native-tools = ["add", "subtract"]
"""


def problems_of(text: str) -> tuple[Problem, ...]:
    """All problems of a text."""
    return parse(text.encode(), file="n.toml")[1]


def only_problem(text: str) -> Problem:
    """The one problem of a text."""
    (problem,) = problems_of(text)
    return problem


def test_the_reference_format_is_read() -> None:
    """Programmable and chat Skills, tools and servers, with the defaults of the contract."""
    config, problems = parse(GOOD.encode(), file="n.toml")

    assert problems == ()
    assert config is not None
    assert config.skills == (
        SkillEntry(SkillName("greet"), Tag("v1")),
        SkillEntry(SkillName("greet2"), Tag("latest")),
        ChatEntry(SkillName("assistant"), "1", "m", "Be kind."),
    )
    assert config.mcp_servers == ("https://example.org/mcp",)
    assert config.native_tools == ("add", "subtract")
    assert config.registry is None


def test_tables_and_caps_are_read() -> None:
    """`[[skills]]` is as good as an inline list; sizes and durations are friendly."""
    digest = "sha256:" + "a" * 64
    text = f"""
    [registry]
    registry = "registry.example.org:5000"
    base-repository = "/team/skills/"
    [[skills]]
    name = "greet"
    digest = "{digest}"
    memory = "512MiB"
    timeout = "1m 30s"
    concurrency = 4
    """

    config, problems = parse(text.encode(), file="n.toml")

    assert problems == ()
    assert config is not None
    assert config.registry == RegistryRef(
        host="registry.example.org:5000", repository="team/skills"
    )
    entry = SkillEntry(SkillName("greet"), Tag("latest"), Digest(digest), 512 << 20, 90.0, 4)
    assert config.skills == (entry,)


@pytest.mark.parametrize(
    ("host", "repository", "good"),
    [
        ("[::1]:5000", "/team/", True),
        ("10.0.0.1", "", True),
        ("::1", "", False),
        ("h", "a//b", False),
    ],
)
def test_a_registry_is_one_that_can_be_asked(host: str, repository: str, good: bool) -> None:
    """The same hosts and repositories as for registries themselves."""
    text = f'skills = []\n[registry]\nregistry = "{host}"\nbase-repository = "{repository}"'

    config, problems = parse(text.encode(), file="n.toml")

    assert (not problems) == good
    if good and config is not None:
        assert config.registry == RegistryRef(host=host, repository=repository.strip("/"))


@pytest.mark.parametrize(
    ("text", "line", "column", "key", "words"),
    [
        ('skills = [\n  { name = "a" tag = "b" }\n]', 2, 16, None, "not TOML"),
        ('skills = "x', 1, 1, None, "unexpected end of file"),
        ("", None, None, "skills", "missing"),
        ("skills = {}", 1, 1, "skills", "must be a list"),
        ("skills = []\nnative_tools = []", 2, 1, "native_tools", "unknown key"),
        ("skills = []\nregistry = 3", 2, 1, "registry", "must be a table"),
        ('skills = []\n[registry]\nregistry = "https://h/x"', 3, 1, "registry.registry", "host"),
        ("skills = []\n[registry]\n", 2, 1, "registry", "is missing"),
        (
            'skills = []\n[registry]\nregistry = "h"\npassword = "x"',
            4,
            1,
            "registry.password",
            "git",
        ),
        ('skills = []\nconfig-access-token = "x"', 2, 1, "config-access-token", "git"),
    ],
)
def test_a_wrong_shape_rejects_the_file_and_says_where(
    text: str, line: int, column: int, key: str, words: str
) -> None:
    """Syntax, unknown keys and credentials: nothing of the file is used."""
    config, problems = parse(text.encode(), file="n.toml")

    assert config is None
    assert [(one.line, one.column, one.key) for one in problems] == [(line, column, key)]
    assert words in problems[0].message


@pytest.mark.parametrize(
    ("entry", "key", "words"),
    [
        ('{ name = "bad", tag = "v 1" }', "tag", "not a tag"),
        ('{ name = "bad", tga = "v1" }', "tga", "unknown key"),
        ('{ name = "bad", digest = "sha256:1" }', "digest", "not a digest"),
        ('{ name = "bad", memory = "lots" }', "memory", "not a size"),
        ('{ name = "bad", memory = 0 }', "memory", "more than 0"),
        ('{ name = "bad", timeout = "30" }', "timeout", "not a duration"),
        ('{ name = "bad", timeout = 30 }', "timeout", "must be a duration"),
        ('{ name = "bad", concurrency = 0 }', "concurrency", "whole number"),
        ('{ name = "bad", type = "cat" }', "type", 'must be "chat"'),
        ('{ name = "bad", type = "chat", version = "1", model = "m" }', "system_prompt", "missing"),
    ],
)
def test_a_bad_entry_holds_back_only_itself(entry: str, key: str, words: str) -> None:
    """Its neighbours are read, and the problem names the entry."""
    text = f'skills = [\n  {{ name = "good" }},\n  {entry},\n]'

    config, problems = parse(text.encode(), file="n.toml")

    assert config is not None
    assert [one.name for one in config.skills] == ["good"]
    assert config.held == {"bad"}
    (problem,) = problems
    assert (problem.line, problem.key, problem.entry) == (3, f"skills[1].{key}", "bad")
    assert words in problem.message


def test_an_entry_without_a_usable_name_is_remembered() -> None:
    """What is missing may be what was misspelt, so nothing may be withdrawn for it."""
    config, problems = parse(b'skills = [{ nmae = "a" }, { name = "b/c" }, 7]', file="n.toml")

    assert config is not None
    assert config.unnamed
    assert [one.key for one in problems] == [
        "skills[0].name",
        "skills[0].nmae",
        "skills[1].name",
        "skills[2]",
    ]


def test_a_name_used_twice_holds_back_both() -> None:
    """Which one was meant is anybody's guess; the problem points to the second."""
    text = '[[skills]]\nname = "a"\n[[skills]]\nname = "a"\ntag = "v2"\n[[skills]]\nname = "b"'

    config, (problem,) = parse(text.encode(), file="n.toml")

    assert config is not None
    assert [one.name for one in config.skills] == ["b"]
    assert (problem.line, problem.message) == (4, "a is named twice, first on line 1")


def test_an_unknown_tool_is_left_out_with_a_hint() -> None:
    """One wrong tool takes no Skill down."""
    config, (problem,) = parse(b'skills = []\nnative-tools = ["add", "substract"]', file="n.toml")

    assert config is not None
    assert config.native_tools == ("add",)
    assert str(problem) == (
        "n.toml:2:24: native-tools[1]: there is no native tool 'substract' "
        "(did you mean `subtract`?)"
    )


def test_nearest_spelling_is_named() -> None:
    """For keys at every level."""
    assert only_problem("skills = []\nmcp_server = []").suggestion == "did you mean `mcp-servers`?"
    assert only_problem('skills = [{ name = "a", tga = "" }]').suggestion == "did you mean `tag`?"
    assert (
        only_problem('skills = []\n[registry]\nregistry = "https://host/x"').suggestion
        == "did you mean `host`?"
    )


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    """The text of the problem goes to logs and statuses."""
    problem = only_problem('skills = []\nmcp-servers = ["https://me:hush@example.org"]')

    assert "credentials don't belong in git" in problem.message
    assert "hush" not in str(problem)


def test_all_problems_are_found_at_once() -> None:
    """In the order of the file."""
    text = 'skills = [{ name = "a", tag = " " },\n{ name = "b", x = 1, memory = "?" }]\n'

    assert [one.line for one in problems_of(text + 'native-tools = ["?"]')] == [1, 2, 2, 3]


def test_bytes_that_are_no_text_are_a_problem() -> None:
    """With the line of the first bad byte; a byte-order mark is no mistake."""
    assert parse(b"skills = []\n# \xff", file="n")[1][0].line == 2
    assert parse(b"\xef\xbb\xbfskills = []", file="n")[1] == ()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_parsing_never_raises(data: bytes) -> None:
    """Whatever was committed."""
    parse(data, file="n.toml")


_fragments = st.sampled_from(
    [
        *("skills", "name", "tag", "=", "[", "]", "[[", "]]", "{", "}", ",", ".", '"', "'", "\n"),
        *(
            '"a"',
            "'b'",
            '"""',
            "'''",
            "1",
            "true",
            "#",
            " ",
            "\\",
            "2020-01-01",
            "inf",
            '"\\u00e9"',
        ),
        *("skills = [", '{ name = "a" }', "[registry]\n", "[[skills]]\n", 'name = "x"\n', "\r\n"),
    ]
)


@given(st.lists(_fragments, max_size=25).map("".join))
def test_near_toml_never_raises(text: str) -> None:
    """Neither does what looks like TOML."""
    parse(text.encode(), file="n.toml")


def test_a_path_that_no_system_can_open_is_a_mistake() -> None:
    """A NUL would only come up as a bug of ours, where the directory is read."""
    problem = only_problem('skills = []\n[registry]\npath = "a\\u0000b"')

    assert problem.key == "registry.path"
    assert "is not a path" in problem.message


@pytest.mark.parametrize("other", ['registry = "r"', 'base-repository = "b"'])
def test_a_directory_has_no_place_in_a_registry(other: str) -> None:
    """One of the two would be ignored, and nobody would know which."""
    problem = only_problem(f'skills = []\n[registry]\npath = "p"\n{other}')

    assert problem.key == "registry.path"
    assert problem.message == f"`path` and `{other.split(maxsplit=1)[0]}` exclude each other"


def test_a_key_of_very_many_parts_takes_no_time() -> None:
    """There are parsers that would be busy with it for hours."""
    key = "a" + ".a" * 100_000

    config, (problem,) = parse(f"skills = []\n{key} = 1".encode(), file="n")

    assert config is None
    assert problem.message.startswith("not TOML")


def test_a_prompt_may_have_many_full_stops() -> None:
    """On one line, too."""
    chat = 'type = "chat", name = "a", version = "1", model = "m", system_prompt = '
    entry = f'{{ {chat} "{"Be kind. " * 99}" }}'

    config, problems = parse(f"skills = [{entry}]".encode(), file="n")

    assert problems == ()
    assert config is not None
    assert len(config.skills) == 1
