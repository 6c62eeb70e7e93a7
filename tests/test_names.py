import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.names import (
    HOST_PATTERN,
    REPOSITORY_PATTERN,
    Digest,
    InvalidNameError,
    Namespace,
    SkillName,
    SkillPath,
    Tag,
)


@pytest.mark.parametrize("name", ["a", "team-1", "0", "a" * 64])
def test_namespaces_follow_the_contract(name: str) -> None:
    """Lower-case words, single dashes, 1 to 64 characters."""
    assert Namespace(name) == name


@pytest.mark.parametrize("name", ["", "A", "a--b", "-a", "a-", "a_b", "a/b", "a" * 65, "a\n"])
def test_other_namespaces_are_refused_with_the_rule(name: str) -> None:
    """The message states the rule."""
    with pytest.raises(InvalidNameError, match="1 to 64 lower-case"):
        Namespace(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a b", "a\x00", "x" * 256])
def test_skill_names_that_could_leave_their_place_are_refused(name: str) -> None:
    """No separators, no white space, no dots alone."""
    with pytest.raises(InvalidNameError):
        SkillName(name)


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a b", "a" * 129, "a:b"])
def test_tags_follow_oci(tag: str) -> None:
    """At most 128 characters of the distribution specification's set."""
    with pytest.raises(InvalidNameError):
        Tag(tag)


def test_a_digest_knows_its_hex() -> None:
    """Only sha256, only lower case."""
    assert Digest("sha256:" + "0a" * 32).hex == "0a" * 32
    with pytest.raises(InvalidNameError):
        Digest("sha256:" + "0A" * 32)
    with pytest.raises(InvalidNameError):
        Digest("md5:" + "0a" * 16)


def test_a_path_reads_as_in_a_url() -> None:
    """`namespace/name`."""
    assert str(SkillPath.parse("team", "greet")) == "team/greet"


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_an_invalid_name(text: str) -> None:
    """Nothing else escapes, and what passes is unchanged."""
    for kind in (Namespace, SkillName, Tag, Digest):
        try:
            assert kind(text) == text
        except InvalidNameError as error:
            assert repr(text) in str(error)


@pytest.mark.parametrize("host", ["localhost", "a-b.example:5000", "10.0.0.1", "[::1]:5000"])
def test_hosts_are_names_and_addresses(host: str) -> None:
    """With an optional port."""
    assert re.fullmatch(HOST_PATTERN, host)


@pytest.mark.parametrize("host", ["", "user@host", "host/path", "-host", "host:port", "::1"])
def test_what_could_lead_elsewhere_is_no_host(host: str) -> None:
    """A user name or path in a host would change where the request goes."""
    assert not re.fullmatch(HOST_PATTERN, host)


@pytest.mark.parametrize("repository", ["", "A", "a//b", "/a", "a/", "a..b", "a___b"])
def test_repositories_follow_oci(repository: str) -> None:
    """Lower-case words between single slashes."""
    assert re.fullmatch(REPOSITORY_PATTERN, "team/a.b_c__d---e")
    assert not re.fullmatch(REPOSITORY_PATTERN, repository)
