import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from daemon.namespaces.config import parse
from daemon.namespaces.schema import schema

VALIDATOR = Draft4Validator(schema())


def accepts(text: str) -> bool:
    """Whether the schema takes a text."""
    return VALIDATOR.is_valid(tomlkit.parse(text).unwrap())


def test_the_schema_is_draft_4() -> None:
    """Which is what editors of TOML understand."""
    Draft4Validator.check_schema(schema())


@pytest.mark.parametrize(
    "text",
    [
        "skills = []",
        'skills = [{ name = "a", tag = "v1", memory = "512MiB", timeout = "1m 30s" }]',
        'skills = [{ type = "chat", name = "a", version = "", model = "m", system_prompt = "p" }]',
        'skills = []\nnative-tools = ["add"]\nmcp-servers = ["https://example.org/mcp"]',
        'skills = []\n[registry]\nregistry = "h:5000"\nbase-repository = "a/b"',
        'skills = []\n[registry]\npath = "../skills"',
    ],
)
def test_good_documents_are_accepted(text: str) -> None:
    """By the schema and by the parser."""
    assert accepts(text)
    assert parse(text.encode(), file="n")[1] == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "skills = {}",
        "skills = [{}]",
        'skills = [{ name = "a b" }]',
        'skills = [{ name = "a", tga = "" }]',
        'skills = [{ name = "a", timeout = "30" }]',
        'skills = [{ type = "chat", name = "a" }]',
        'skills = []\nnative-tools = ["sub"]',
        "skills = []\nnative_tools = []",
        'skills = []\n[registry]\nregistry = "h"\npath = "p"',
        'skills = []\n[registry]\nregistry = "https://h"',
    ],
)
def test_bad_documents_are_refused(text: str) -> None:
    """By the schema and by the parser."""
    assert not accepts(text)
    assert parse(text.encode(), file="n")[1] != ()


_words = st.sampled_from(
    ["a", "v1", "a b", "a/b", "", "..", "latest", "-x", "é", "sha256:" + "0" * 64]
)
_sizes = st.sampled_from(["512MiB", "4Gi", "1", "x", "", "1.5 GB", "-1", "0x1"]) | st.integers(
    -2, 9
)
_times = st.sampled_from(["30s", "1m 30s", "PT1M", "30", "s", "", "1 Hour", "P", "1x", 5, True])
_skill = st.fixed_dictionaries(
    {},
    optional={
        "name": _words,
        "tag": _words,
        "digest": _words,
        "memory": _sizes,
        "timeout": _times,
        "concurrency": st.integers(-1, 2) | st.booleans() | _words,
        "type": st.sampled_from(["chat", "cat", 1]),
        "model": _words,
        "version": _words | st.just(1),
        "system_prompt": _words,
        "other": _words,
    },
)
_documents = st.fixed_dictionaries(
    {},
    optional={
        "skills": st.lists(_skill | _words, max_size=1) | _words,
        "native-tools": st.lists(
            st.sampled_from(["add", "ad", "saboteur"]) | st.just(1), max_size=2
        ),
        "mcp-servers": st.lists(
            st.sampled_from(["https://x", "http://", "ftp://x", "https://a@b"]), max_size=2
        ),
        "registry": st.fixed_dictionaries(
            {},
            optional={
                "registry": st.sampled_from(["h", "h:1", "https://h", "", "a_b"]),
                "base-repository": st.sampled_from(["a", "/a/b/", "", "A", "a//b", "-"]),
                "path": st.sampled_from(["p", "../p", ""]),
                "password": _words,
            },
        ),
        "other": _words,
    },
)


@given(_documents)
def test_schema_and_parser_agree(document: dict[str, object]) -> None:
    """What an editor marks is what skilld refuses, and nothing else."""
    _, problems = parse(tomlkit.dumps(document).encode(), file="n")

    assert VALIDATOR.is_valid(document) == (problems == ()), problems
