"""What has to change so that the wanted Skills are the served Skills. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.names import SkillPath
from daemon.skill import AnySpec


@dataclass(frozen=True, slots=True)
class Serve:
    """Make *spec* the version that answers at *path*."""

    path: SkillPath
    spec: AnySpec


@dataclass(frozen=True, slots=True)
class Retire:
    """Stop answering at *path*."""

    path: SkillPath


Change = Serve | Retire
Skills = Mapping[SkillPath, AnySpec]


def diff(served: Skills, wanted: Skills) -> tuple[Change, ...]:
    """
    Return the changes from *served* to *wanted*, in a stable order.

    A new tag is one `Serve`, never a `Retire` plus a `Serve`: a Skill wanted before and after
    must not vanish in between.
    """
    new = (Serve(path, wanted[path]) for path in sorted(wanted) if served.get(path) != wanted[path])
    old = (Retire(path) for path in sorted(served.keys() - wanted.keys()))
    return (*new, *old)
