from datetime import UTC, datetime

from daemon.catalogue import Catalogue, ServedChat
from daemon.names import Namespace
from daemon.namespaces.status import ConditionType, condition
from daemon.reconcile.attempt import Attempt
from daemon.reconcile.board import Board
from daemon.reconcile.loader import Source
from daemon.skill import ChatSpec
from tests.reconcile.conftest import path

TEAM = Namespace("team")
SOURCE = Source(TEAM, "n.toml", "team", revision="1")


def attempt(name: str) -> Attempt:
    """A wish for a chat Skill."""
    return Attempt(spec=ChatSpec(path(f"team/{name}"), "1", "m", "p"))


def ready(catalogue: Catalogue) -> str:
    """The reason of the namespace's first condition."""
    found = condition(catalogue.statuses[TEAM].conditions, ConditionType.READY)
    assert found is not None
    return found.reason


def test_skills_are_listed_by_name_however_they_came() -> None:
    """And what is not published is not seen."""
    catalogue = Catalogue()
    board = Board(catalogue)
    for name in ("c", "a", "b"):
        board.note(attempt(name))
    assert dict(catalogue.statuses) == {}

    board.publish(SOURCE, ())
    board.remove(path("team/b"))
    board.publish(SOURCE, ())

    assert list(catalogue.statuses[TEAM].skills) == ["a", "c"]


def test_the_namespace_follows_from_its_skills() -> None:
    """One by one."""
    catalogue = Catalogue()
    board, wish = Board(catalogue), attempt("a")
    board.note(wish)
    board.publish(SOURCE, ())
    assert ready(catalogue) == "Progressing"

    assert isinstance(wish.spec, ChatSpec)
    catalogue.serve(ServedChat(wish.spec, "1", datetime.now(UTC)))
    board.note(wish)
    board.publish(SOURCE, ())
    assert ready(catalogue) == "ReconciliationSucceeded"


def test_a_namespace_that_is_gone_has_no_status() -> None:
    """Nor does it come back with its old Skills."""
    catalogue = Catalogue()
    board = Board(catalogue)
    board.note(attempt("a"))
    board.publish(SOURCE, ())

    board.forget(TEAM)
    assert dict(catalogue.statuses) == {}
    board.publish(SOURCE, ())
    assert catalogue.statuses[TEAM].skills == {}
