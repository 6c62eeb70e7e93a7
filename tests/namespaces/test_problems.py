from daemon.namespaces.positions import Positions
from daemon.namespaces.problems import WHERE_CREDENTIALS_BELONG, Reader, dotted, nearest, shown


def test_paths_are_written_as_people_do() -> None:
    """List indexes in brackets."""
    assert dotted(("skills", 0, "tag")) == "skills[0].tag"
    assert dotted(()) == ""


def test_the_nearest_word_is_a_guess_or_a_list() -> None:
    """Never silence."""
    assert nearest("TAGG", ("tag", "name")) == "did you mean `tag`?"
    assert nearest("zzz", ("tag", "name")) == "known are: tag, name"


def test_long_values_are_cut() -> None:
    """A message stays one line."""
    assert len(shown("x" * 1000)) == 60


def test_unknown_keys_and_credentials_are_told_apart() -> None:
    """With their places, in file order."""
    reader = Reader("n.toml", Positions("b = 1\nregistry_password = 2"))
    reader.known_keys({"registry_password": 2, "b": 1, "good": 3}, ("good",), at=())

    assert [(one.line, one.message) for one in reader.sorted()] == [
        (1, "unknown key"),
        (2, WHERE_CREDENTIALS_BELONG),
    ]
