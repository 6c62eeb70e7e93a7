"""
Sizes and durations as people write them, and waits as servers do. Pure.

Settings, `namespace.toml` and the clients of registries and backends share it.

Leaves out printing them back.
"""

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 3600.0
"""Seconds; a server that asks for more is asked again after this."""

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)
_EXPONENT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)
_ISO = re.compile(
    r"P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "mins": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hrs": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}


def parse_size(text: str) -> int:
    """Return bytes: `4Gi`, `2GiB`, `500MB`, `1024`. Raises ValueError that shows the form."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write bytes as 1048576, 512MiB, 4Gi or 500MB")
    number, prefix, binary = match.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** _EXPONENT[prefix.lower()])


def parse_duration(text: str) -> float:
    """Return seconds: `300ms`, `10s`, `1m 30s`, `PT1M`. Raises ValueError that shows the form."""
    stripped = text.strip()
    seconds = _iso(stripped) if stripped[:1] in {"P", "p"} else _friendly(stripped)
    if seconds is None or not math.isfinite(seconds):
        raise ValueError(f"{text!r} is not a duration: write it as 300ms, 10s, 1m 30s or PT10S")
    return seconds


def retry_after(header: str | None, *, now: float) -> float | None:
    """
    Return the seconds that a `Retry-After` header asks for: a number, or a date after *now*.

    *now* in Unix time. At most MAX_RETRY_AFTER; None for what is neither, never an error.
    """
    text = (header or "").strip()
    if _NUMBER.fullmatch(text):
        wait = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
            wait = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now
        except (ValueError, OverflowError):  # no date, or one of no calendar
            return None
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


def _friendly(text: str) -> float | None:
    """Sum parts such as `1m 30s`; every part needs its unit, except a bare 0."""
    if text == "0":
        return 0.0
    total, position = 0.0, 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match[2].lower() not in _SECONDS:
            return None
        total += float(match[1]) * _SECONDS[match[2].lower()]
        position = match.end()
    return total if position else None


def _iso(text: str) -> float | None:
    match = _ISO.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds
