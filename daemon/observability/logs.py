"""
Logging set-up: one line per event, as text for people or JSON for collectors.

Leaves out what is logged: each module logs a failure when it begins and once when it ends. No
token and no URL with a query is ever handed to a logger.
"""

import logging
import sys
from datetime import UTC, datetime

import msgspec

_LEVELS = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
    "off": logging.CRITICAL,
}


_QUIET = {
    # At info these log whole URLs, query and all, and the ids of sessions.
    "httpx2": logging.WARNING,
    "httpx": logging.WARNING,
    "mcp": logging.WARNING,
    # Logs each attempt; `tracing` logs outages.
    "opentelemetry": logging.CRITICAL,
}


class _Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class _Text(logging.Formatter):
    """Time, level and message; the logger only where it is not ours."""

    def format(self, record: logging.LogRecord) -> str:
        origin = "" if record.name.startswith("daemon") else f" {record.name}:"
        line = f"{_time(record)} {record.levelname:<7}{origin} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def parse_levels(text: str) -> dict[str, int]:
    """
    Return the level of each logger, "" for all others: `info` or `warning,daemon.api=debug`.

    A bare `debug` or `trace` means our own modules: libraries stay at info. Raises ValueError.
    """
    levels: dict[str, int] = {"": logging.INFO}
    for directive in filter(None, (part.strip() for part in text.split(","))):
        name, equals, word = directive.rpartition("=")
        level = _LEVELS.get(word.strip().lower())
        if level is None:
            raise ValueError(f"{word!r} is not a log level: choose {', '.join(_LEVELS)}")
        if not equals and level == logging.DEBUG:
            levels["daemon"] = level
        else:
            levels[name.strip().replace("::", ".")] = level
    return levels


def configure(*, level: str, form: str) -> None:
    """Log to standard output. Raises ValueError for an unknown level or format."""
    if form not in {"text", "json"}:
        raise ValueError(f"{form!r} is not a log format: choose text or json")
    levels = {**_QUIET, **parse_levels(level)}
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=levels.pop(""), handlers=[handler], force=True)
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
