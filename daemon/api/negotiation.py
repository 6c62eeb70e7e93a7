"""
What a client accepts: media types and content codings with their weights. Pure.

Leaves out languages and charsets: everything here is UTF-8 and English.
"""

from collections.abc import Iterator

CODINGS = ("gzip", "deflate")


def weights(header: str) -> Iterator[tuple[str, float]]:
    """The values of an `Accept…` header, lower-case, each with its `q`; nonsense weighs 0."""
    for part in header.lower().split(","):
        value, *parameters = (piece.strip() for piece in part.split(";"))
        if value:
            yield value, _quality(parameters)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, number = parameter.partition("=")
        if name.strip() == "q":
            return float(number) if number.replace(".", "", 1).isdecimal() else 0.0
    return 1.0


def prefers_text(accept: str) -> bool:
    """Whether `text/plain` is named and weighs more than any JSON type that is."""
    if "text/plain" not in accept.lower():
        return False
    found = dict(weights(accept))
    json = max((q for value, q in found.items() if value.endswith("json")), default=0.0)
    return found.get("text/plain", 0.0) > json


def choose_coding(accept_encoding: str) -> str | None:
    """The coding to compress a response with; None to leave it as it is."""
    found = dict(weights(accept_encoding))
    best = max(CODINGS, key=lambda coding: found.get(coding, found.get("*", 0.0)))
    return best if found.get(best, found.get("*", 0.0)) > 0 else None
