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

    Files are named as *place* was given, so that editors can jump to them.
    """
    if not place.is_dir():
        return _file(place)
    if (place / snapshot.FILE).is_file():
        return _file(place / snapshot.FILE)
    return _root(place)


def _root(root: Path) -> list[Problem]:
    found = snapshot.read(root)
    if found.problem is not None:
        return [Problem(str(root), None, None, None, found.problem)]
    if not found.names:
        text = f"no namespaces: there is no <namespace>/{snapshot.FILE} in it"
        return [Problem(str(root), None, None, None, text)]
    problems: list[Problem] = []
    for directory in sorted(found.names):
        file = str(root / directory / snapshot.FILE)
        problems += _name(directory, file)
        if directory in found.files:
            problems += parse(found.files[directory], file=file)[1]
        else:
            problems.append(Problem(file, None, None, None, found.unreadable[directory]))
    return problems


def _file(file: Path) -> list[Problem]:
    try:
        data = file.read_bytes()
    except OSError as error:
        return [Problem(str(file), None, None, None, error.strerror or str(error))]
    return list(parse(data, file=str(file))[1])


def _name(directory: str, file: str) -> list[Problem]:
    try:
        Namespace(directory)
    except InvalidNameError as error:
        return [Problem(file, None, None, None, f"the directory's name: {error}")]
    return []
