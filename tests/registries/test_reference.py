"""Names of things in OCI registries."""

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import InvalidNameError, SkillName, Tag
from daemon.registries.reference import Reference, check_host, repository_of


def test_a_reference_has_host_repository_and_tag() -> None:
    """The port is not mistaken for a tag."""
    read = Reference.parse("registry.example:5000/team/skills/greet:v1")

    assert read == Reference("registry.example:5000", "team/skills/greet", Tag("v1"))
    assert str(read) == "registry.example:5000/team/skills/greet:v1"


def test_the_tag_is_latest_unless_given() -> None:
    """As everywhere with OCI."""
    assert Reference.parse("localhost:5000/greet").tag == "latest"


@pytest.mark.parametrize(
    "text",
    [
        "greet",
        "greet:v1",
        "https://registry.example/greet",
        "r.example/",
        "r.example/Greet:v1",
        "r.example/greet:",
        "r.example/greet@sha256:abc",
        "r.example//greet",
        "r .example/greet",
    ],
)
def test_anything_else_is_refused_with_the_rule(text: str) -> None:
    """The message shows what was given, or the offending part of it."""
    with pytest.raises(InvalidNameError, match=r"use|not a tag"):
        Reference.parse(text)


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1:5000", "[::1]:5000", "a-b.example"])
def test_hosts_may_be_names_and_addresses(host: str) -> None:
    """With or without a port."""
    check_host(host)


@pytest.mark.parametrize("host", ["", "user@host", "host/path", "-host", "host:port", "a b"])
def test_what_could_lead_elsewhere_is_no_host(host: str) -> None:
    """A user name or path in a host would change where the request goes."""
    with pytest.raises(InvalidNameError, match="not a registry host"):
        check_host(host)


@pytest.mark.parametrize("base", ["team/skills", "/team/skills/"])
def test_a_skill_is_below_the_base_repository(base: str) -> None:
    """Outer slashes don't matter."""
    assert repository_of(base, SkillName("greet")) == "team/skills/greet"


def test_without_a_base_the_name_is_the_repository() -> None:
    """As in the reference."""
    assert repository_of("", SkillName("greet")) == "greet"


@pytest.mark.parametrize("name", ["Greet", "greet?x=1", "greet:v1", "grüße", "greet%2e", "a..b"])
def test_a_name_that_no_registry_holds_is_not_in_it(name: str) -> None:
    """Nor can it change the path of a request."""
    with pytest.raises(DaemonError, match="lower-case letters") as caught:
        repository_of("team", SkillName(name))

    assert caught.value.kind is ErrorKind.NOT_IN_REGISTRY
