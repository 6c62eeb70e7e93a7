"""
The words of a text, as the full-text index knows them. Pure.

Documents and queries pass through here alike, so a query is never parsed by the engine: it sees
plain words only. Case, accents and compatibility forms make no difference. Scripts without spaces
are taken as pairs of characters. Leaves out stemming: that needs the language, and semantic search
does better.
"""

import re
import unicodedata

_LONGEST = 64
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+"
)


def words(text: str) -> list[str]:
    """Return the words of *text* in their order: lower case, no accents, none empty."""
    if text.isascii():
        return [word[:_LONGEST] for word in _ASCII_WORD.findall(text.lower())]
    found: list[str] = []
    for word in _WORD.findall(_plain(text)):
        if word.isascii():
            found.append(word[:_LONGEST])
        else:
            found.extend(_pieces(word))
    return found


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def _pieces(word: str) -> list[str]:
    pieces: list[str] = []
    at = 0
    for run in _UNSPACED.finditer(word):
        pieces.append(word[at : run.start()])
        pieces.extend(_pairs(run.group()))
        at = run.end()
    pieces.append(word[at:])
    return [piece[:_LONGEST] for piece in pieces if piece]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]
