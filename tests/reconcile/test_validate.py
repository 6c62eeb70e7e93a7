from pathlib import Path

from daemon.reconcile.validate import validate
from tests.reconcile.syncers import write


def test_all_problems_of_a_root_are_found(tmp_path: Path) -> None:
    """In compilers' form; bad directory names as well."""
    write(tmp_path, "skills = [", namespace="a")
    write(tmp_path, 'skills = [{ name = "x", tga = "1" }]', namespace="b")
    write(tmp_path, "skills = []", namespace="Bad_Name")

    problems = [str(one) for one in validate(tmp_path)]

    assert len(problems) == 3
    assert "directory's name" in problems[0]
    assert problems[1].startswith(f"{tmp_path}/a/namespace.toml:1:")
    assert problems[2] == (
        f"{tmp_path}/b/namespace.toml:1:25: skills[0].tga: unknown key (did you mean `tag`?)"
    )


def test_one_namespace_or_one_file_may_be_given(tmp_path: Path) -> None:
    """As pre-commit does with the files of a commit."""
    write(tmp_path, "skills = [")

    assert len(validate(tmp_path / "team")) == 1
    assert len(validate(tmp_path / "team" / "namespace.toml")) == 1


def test_nothing_to_validate_is_a_problem(tmp_path: Path) -> None:
    """A hook on a wrong directory must not pass for ever."""
    assert len(validate(tmp_path)) == 1
    assert len(validate(tmp_path / "none")) == 1


def test_a_good_root_has_no_problems(tmp_path: Path) -> None:
    """Silence is consent."""
    write(tmp_path, "skills = []")

    assert validate(tmp_path) == []
