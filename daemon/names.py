"""
Names and ids, made once at the edge, so that nothing inside passes bare strings around.

Leaves out where a name came from: errors here say what is wrong with the name itself, the
caller adds file, line or request.
"""

import re
from dataclasses import dataclass

_NAMESPACE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SKILL_NAME = re.compile(r"[^\s/\\\x00-\x1f\x7f]{1,255}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"

HOST_PATTERN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
"""A registry's host: a name or an address, with an optional port. Also for JSON Schema."""
REPOSITORY_PATTERN = rf"{_WORD}(?:/{_WORD})*"
"""A repository as the OCI specification allows it. Also for JSON Schema."""


class InvalidNameError(ValueError):
    """A name breaks its rule; the message states the rule."""


class Namespace(str):
    """A team's namespace: lower-case words joined by single dashes, 1 to 64 characters."""

    __slots__ = ()

    def __new__(cls, value: str) -> "Namespace":
        if len(value) > 64 or not _NAMESPACE.fullmatch(value):
            raise InvalidNameError(
                f"{value!r} is not a namespace name: use 1 to 64 lower-case letters, digits "
                "and single dashes between them"
            )
        return super().__new__(cls, value)


class SkillName(str):
    """A Skill's name within its namespace: no slash, no white space, at most 255 characters."""

    __slots__ = ()

    def __new__(cls, value: str) -> "SkillName":
        if not _SKILL_NAME.fullmatch(value) or value in {".", ".."}:
            raise InvalidNameError(
                f"{value!r} is not a Skill name: use 1 to 255 characters without slashes, "
                "white space or control characters"
            )
        return super().__new__(cls, value)


class Tag(str):
    """An OCI tag, for example `latest` or `v1.2`."""

    __slots__ = ()

    def __new__(cls, value: str) -> "Tag":
        if not _TAG.fullmatch(value):
            raise InvalidNameError(
                f"{value!r} is not a tag: use 1 to 128 letters, digits, '_', '.' and '-', "
                "not starting with '.' or '-'"
            )
        return super().__new__(cls, value)


class Digest(str):
    """A content digest, always `sha256:` and 64 lower-case hex digits."""

    __slots__ = ()

    def __new__(cls, value: str) -> "Digest":
        if not _DIGEST.fullmatch(value):
            raise InvalidNameError(
                f"{value!r} is not a digest: use 'sha256:' followed by 64 lower-case hex digits"
            )
        return super().__new__(cls, value)

    @property
    def hex(self) -> str:
        """The 64 hex digits without the algorithm."""
        return self.removeprefix("sha256:")


@dataclass(frozen=True, slots=True, order=True)
class SkillPath:
    """Where a Skill answers: `namespace/name`."""

    namespace: Namespace
    name: SkillName

    @classmethod
    def parse(cls, namespace: str, name: str) -> "SkillPath":
        """Validate both parts. Raises InvalidNameError."""
        return cls(Namespace(namespace), SkillName(name))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
