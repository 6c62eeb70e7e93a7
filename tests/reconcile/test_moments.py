from datetime import timedelta

from daemon.reconcile.moments import after, now


def test_moments_know_their_zone() -> None:
    """Else nobody elsewhere could tell when that was."""
    assert now().utcoffset() is not None
    assert timedelta(seconds=59) < after(60) - now() <= timedelta(seconds=60)
