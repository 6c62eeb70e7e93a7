"""Tables are put between their marks, and nowhere else."""

import pytest

from daemon.errors import ErrorKind
from daemon.settings.model import FIELDS
from scripts.docs_tables import TABLES, filled


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    """As often as one likes."""
    text = "before\n<!-- table: errors -->\nold\n<!-- end -->\nafter\n"

    once = filled(text)

    assert once.startswith("before\n<!-- table: errors -->\n| Code |")
    assert once.endswith("|\n<!-- end -->\nafter\n")
    assert "old" not in once
    assert filled(once) == once


def test_an_unknown_table_is_an_error() -> None:
    """A typo would leave an empty place in the docs."""
    with pytest.raises(KeyError):
        filled("<!-- table: erors -->\n<!-- end -->\n")


def test_all_settings_and_errors_have_a_row() -> None:
    """With defaults as people write them."""
    settings = TABLES["settings"]()

    assert all(f"\n| `{name.upper()}` | " in settings for name in FIELDS)
    assert "| `SKILL_MEMORY` | `1GiB` |" in settings
    assert "| `QUEUE_TIMEOUT` | `10s` |" in settings
    assert all(f"\n| `{kind.value}` | " in TABLES["errors"]() for kind in ErrorKind)


def test_metrics_are_named_as_they_are_scraped() -> None:
    """Counters end in `_total`; labels are told."""
    metrics = TABLES["metrics"]()

    assert "\n| `skilld_changes_total` | counter | namespace, action | " in metrics
    assert "\n| `skilld_workers` | gauge | state | " in metrics


def test_commands_and_layers_come_from_the_code() -> None:
    """Sub-commands with the name of their group."""
    assert "\n| `skilld cache prune` | " in TABLES["commands"]()
    assert TABLES["layers"]().startswith("```\n__main__\ncli\n")
