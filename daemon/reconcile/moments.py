"""
Moments for people, in the time zone of this machine.

Leaves out how long things take: that is measured by monotonic clocks, which nobody sets.
"""

from datetime import datetime, timedelta


def now() -> datetime:
    """Return this moment."""
    return datetime.now().astimezone()


def after(seconds: float) -> datetime:
    """Return the moment that comes in so many seconds."""
    return now() + timedelta(seconds=seconds)
