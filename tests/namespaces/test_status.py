from datetime import UTC, datetime

from daemon.names import SkillName
from daemon.namespaces.status import Condition, ConditionType, Problem, condition


def test_a_problem_reads_as_compilers_write_it() -> None:
    """Editors jump to `file:line:column`."""
    problem = Problem("n.toml", 3, 9, "skils", "unknown key", "did you mean 'skills'?")

    assert str(problem) == "n.toml:3:9: skils: unknown key (did you mean 'skills'?)"


def test_what_is_not_known_of_a_problem_is_left_out() -> None:
    """A missing file has no line."""
    problem = Problem("n.toml", None, None, None, "it is missing", entry=SkillName("a"))

    assert str(problem) == "n.toml: it is missing"


def test_conditions_are_found_by_type() -> None:
    """None where one is not stated."""
    ready = Condition(ConditionType.READY, "True", "Idle", "", datetime.now(UTC))

    assert condition((ready,), ConditionType.READY) is ready
    assert condition((ready,), ConditionType.STALLED) is None
