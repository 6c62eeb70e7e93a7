import logging

import pytest

from daemon.catalogue import Catalogue
from daemon.names import Namespace
from daemon.reconcile.attempt import Event
from daemon.reconcile.journal import Journal
from daemon.reconcile.loader import Loaded, Source
from daemon.skill import Failure
from tests.reconcile.conftest import path

TEAM = Namespace("team")
GOOD = Source(TEAM, "n.toml", "team", revision="1")
DOWN = Source(TEAM, "n.toml", "team", failure=Failure("registry-unavailable", "down"))


def test_a_trouble_is_logged_when_it_begins_and_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not at every pass in between."""
    caplog.set_level(logging.INFO)
    journal = Journal(Catalogue(), lambda _: None)

    for source in (GOOD, DOWN, DOWN, DOWN, GOOD, GOOD):
        journal.sources(Loaded(sources={TEAM: source}))

    assert caplog.messages == ["namespace team: down", "namespace team is well again"]


def test_events_are_handed_on_and_history_is_bounded() -> None:
    """The newest entries stay."""
    events: list[Event] = []
    catalogue = Catalogue()
    journal = Journal(catalogue, events.append)
    journal.sources(Loaded(sources={TEAM: GOOD}))
    for turn in range(50):
        journal.tell(Event("served", path("team/a"), str(turn)))

    journal.publish()

    assert len(events) == 50
    assert [one.revision for one in catalogue.statuses[TEAM].history] == [
        str(turn) for turn in range(30, 50)
    ]


def test_a_namespace_that_is_gone_is_forgotten() -> None:
    """With its history, to which its Skills add when they are retired, a moment later."""
    catalogue = Catalogue()
    journal = Journal(catalogue, lambda _: None)
    journal.sources(Loaded(sources={TEAM: GOOD}))
    journal.publish()

    journal.sources(Loaded())
    journal.tell(Event("retired", path("team/a"), "1"))
    journal.publish()
    assert dict(catalogue.statuses) == {}

    journal.sources(Loaded(sources={TEAM: GOOD}))
    journal.publish()
    assert catalogue.statuses[TEAM].history == ()
