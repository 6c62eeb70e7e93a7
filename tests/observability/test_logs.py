import json
import logging
import sys
from collections.abc import Iterator

import pytest

from daemon.observability.logs import configure, parse_levels


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("daemon", "daemon.api"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_bare_debug_means_our_own_modules() -> None:
    """Libraries would drown them."""
    assert parse_levels("debug") == {"": logging.INFO, "daemon": logging.DEBUG}


def test_single_modules_get_their_own_level() -> None:
    """As in the reference's directives."""
    levels = parse_levels("warn,daemon.api=debug")

    assert levels == {"": logging.WARNING, "daemon.api": logging.DEBUG}


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    """Before anything starts."""
    with pytest.raises(ValueError, match=r"loud.*error, warn"):
        parse_levels("loud")
    with pytest.raises(ValueError, match="text or json"):
        configure(level="info", form="xml")


def test_json_lines_are_one_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Also with line breaks and tracebacks in them."""
    configure(level="info", form="json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("daemon.x").exception("two\nlines")

    (line,) = capsys.readouterr().out.splitlines()
    entry = json.loads(line)

    assert (entry["level"], entry["logger"], entry["message"]) == (
        "error",
        "daemon.x",
        "two\nlines",
    )
    assert "ValueError: broken" in entry["exception"]


def test_text_names_the_logger_of_others_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours say who they are in the message."""
    configure(level="info", form="text")
    logging.getLogger("daemon.x").info("ours")
    logging.getLogger("aiohttp").info("theirs")

    ours, theirs = capsys.readouterr().out.splitlines()

    assert ours.endswith("INFO    ours")
    assert theirs.endswith("INFO    aiohttp: theirs")
    assert sys.stdout


def test_libraries_that_log_urls_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """A query may hold a secret."""
    configure(level="info", form="text")
    logging.getLogger("httpx2").info("GET https://example.org/?token=hush")

    assert "hush" not in capsys.readouterr().out
