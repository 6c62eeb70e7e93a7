"""When to try again. Pure."""

_FIRST = 1.0
_LONGEST = 300.0


def delay(failures: int, *, random: float, at_least: float | None = None) -> float:
    """
    Return the seconds to wait after the *failures*-th failure in a row: 1, 2, 4 … up to 5 min.

    *random* (0 to 1) takes up to half of it away, so that Skills that failed together don't come
    back together. *at_least* is what the far side asked for (`Retry-After`); it is spread upwards.
    """
    base = min(_LONGEST, _FIRST * 2.0 ** min(failures - 1, 20))
    own = base * (1.0 - 0.5 * random)
    asked = (at_least or 0.0) * (1.0 + 0.1 * random)
    return max(own, asked)
