"""What goes first."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.build_cache.eviction import Entry, victims

entries = st.lists(
    st.builds(Entry, st.text("abcdef", min_size=1), st.integers(0, 100), st.integers(0, 20)),
    unique_by=lambda entry: entry.name,
)


def test_the_least_recently_used_goes_first() -> None:
    """And no more than needed."""
    shelf = [Entry("new", 5, used=3), Entry("old", 5, used=1), Entry("middle", 5, used=2)]

    assert victims(shelf, budget=10, pinned=()) == ("old",)


def test_what_is_pinned_stays() -> None:
    """What is served must not vanish, however old."""
    shelf = [Entry("new", 5, used=3), Entry("old", 5, used=1)]

    assert victims(shelf, budget=5, pinned={"old"}) == ("new",)


@given(entries, st.integers(0, 500), st.sets(st.text("abcdef", min_size=1)))
def test_the_rest_fits_unless_pinned(shelf: list[Entry], budget: int, pinned: set[str]) -> None:
    """Properties that hold for all shelves."""
    chosen = victims(shelf, budget=budget, pinned=pinned)
    rest = [entry for entry in shelf if entry.name not in chosen]
    gone = [entry for entry in shelf if entry.name in chosen]
    loose = [entry for entry in rest if entry.name not in pinned]

    assert not pinned & set(chosen)
    assert sum(entry.size for entry in rest) <= budget or not loose
    assert all(one.used <= other.used for one in gone for other in loose)


@given(entries, st.sets(st.text("abcdef", min_size=1)))
def test_nothing_goes_while_all_fits(shelf: list[Entry], pinned: set[str]) -> None:
    """A cache within its budget is left alone."""
    assert victims(shelf, budget=sum(entry.size for entry in shelf), pinned=pinned) == ()
