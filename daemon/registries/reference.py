"""
Names of things in OCI registries: hosts, repositories, references. Pure.

The specification is stricter than our Skill names: repositories are lower-case. A name that no
registry can hold is refused here, with the rule, instead of by the registry with a bare code.
"""

import re
from dataclasses import dataclass

from daemon.errors import DaemonError, ErrorKind
from daemon.names import HOST_PATTERN, REPOSITORY_PATTERN, InvalidNameError, SkillName, Tag

_REFERENCE = re.compile(r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^:@]+))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """One tag of one repository in one registry: `host/repository:tag`."""

    host: str
    repository: str
    tag: Tag

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read `host[:port]/repository[:tag]`, the tag being `latest` unless given."""
        match = _REFERENCE.fullmatch(text)
        if match is None or "://" in text:
            raise InvalidNameError(
                f"{text!r} is not a place in a registry: use REGISTRY/REPOSITORY/NAME:TAG, "
                "for example registry.example/team/skills/greet:v1"
            )
        check_host(match["host"])
        check_repository(match["repository"])
        return cls(match["host"], match["repository"], Tag(match["tag"] or "latest"))

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"


def check_host(host: str) -> None:
    """Raise InvalidNameError unless *host* is a host name or address with an optional port."""
    if not re.fullmatch(HOST_PATTERN, host):
        raise InvalidNameError(
            f"{host!r} is not a registry host: use a name or an address with an optional port, "
            "without a scheme, for example registry.example:5000"
        )


def check_repository(repository: str) -> None:
    """Raise InvalidNameError unless *repository* is one that the OCI specification allows."""
    if len(repository) > 255 or not re.fullmatch(REPOSITORY_PATTERN, repository):
        raise InvalidNameError(
            f"{repository!r} is not an OCI repository: use lower-case letters and digits, joined "
            "by single '.', '_' or dashes, in parts separated by '/'"
        )


def repository_of(base: str, name: SkillName) -> str:
    """
    Return the repository of a Skill below the repository *base*, which may be empty.

    Raises DaemonError(NOT_IN_REGISTRY) for a name that no registry can hold.
    """
    base = base.strip("/")
    repository = f"{base}/{name}" if base else str(name)
    try:
        check_repository(repository)
    except InvalidNameError as error:
        raise DaemonError(
            ErrorKind.NOT_IN_REGISTRY, f"no OCI registry can hold Skill {name!r}: {error}"
        ) from error
    return repository
