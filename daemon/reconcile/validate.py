"""
What is wrong with a directory of namespaces, for `skilld validate`: hooks, CI, a syncer's exec.

The same reading and parsing that the daemon does, with no registry asked. Leaves out printing.
"""

from pathlib import Path

from daemon.names import InvalidNameError, Namespace
from daemon.namespaces.config import parse
from daemon.namespaces.status import Problem
from daemon.reconcile import snapshot


def validate(place: Path) -> list[Problem]:
    """
    Return all problems of *place*: a root of namespaces, one namespace's directory, or one file.

    Files are named as *place* was given, so that editors can jump to them. What can't be read is a
    problem too; nothing is raised, and nothing waited for.
    """
    try:
        if not place.is_dir():
            return _file(place)
        if (place / snapshot.FILE).exists():
            return _file(place / snapshot.FILE)
        return _root(place)
    except snapshot.UnsettledError as error:
        return [_problem(place, str(error))]
    except (OSError, ValueError) as error:
        return [_problem(place, snapshot.reason(error))]


def _root(root: Path) -> list[Problem]:
    found = snapshot.read(root)
    if found.problem is not None:
        return [_problem(root, found.problem)]
    if not found.names:
        text = f"no namespaces: there is no <namespace>/{snapshot.FILE} in it"
        return [_problem(root, text)]
    problems: list[Problem] = []
    for directory in sorted(found.names):
        file = root / directory / snapshot.FILE
        problems += _name(directory, file)
        if directory in found.files:
            problems += parse(found.files[directory], file=str(file))[1]
        else:
            problems.append(_problem(file, found.unreadable[directory]))
    return problems


def _file(file: Path) -> list[Problem]:
    return list(parse(snapshot.read_file(file), file=str(file))[1])


def _name(directory: str, file: Path) -> list[Problem]:
    try:
        Namespace(directory)
    except InvalidNameError as error:
        return [_problem(file, f"the directory's name: {error}")]
    return []


def _problem(place: Path, text: str) -> Problem:
    return Problem(str(place), None, None, None, text)
