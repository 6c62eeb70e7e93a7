from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.secret import Secret


def test_a_secret_shows_in_neither_repr_nor_str() -> None:
    """So that it can stand in any log line."""
    secret = Secret("hush")

    assert "hush" not in f"{secret} {secret!r}"
    assert secret.reveal() == "hush"


def test_a_file_wins_and_is_stripped(tmp_path: Path) -> None:
    """Mounted secrets often end with a newline."""
    (tmp_path / "s").write_text(" two\n")

    assert Secret("one", tmp_path / "s").reveal() == "two"


def test_an_unreadable_file_is_a_configuration_error(tmp_path: Path) -> None:
    """It names the file, not the content."""
    with pytest.raises(DaemonError, match="No such file") as caught:
        Secret(file=tmp_path / "absent").reveal()
    assert caught.value.kind is ErrorKind.CONFIGURATION

    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(DaemonError, match="not UTF-8"):
        Secret(file=tmp_path / "binary").reveal()


def test_an_empty_secret_is_false() -> None:
    """`if secret` tells whether there is one."""
    assert not Secret()
    assert Secret("x")
    assert Secret(file=Path("x"))
