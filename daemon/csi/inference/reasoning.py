"""
Tells the reasoning of a model from its answer, where it stands between `<think>` tags. Pure.

Only a tag at the beginning counts (white space may precede it): later ones are text that the model
talks about. How the text was cut into pieces makes no difference. Leaves out backends that give
reasoning in a field of its own.
"""

from typing import Literal

Part = tuple[Literal["reasoning", "content"], str]

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkSplitter:
    """Owned by the reader of one stream."""

    def __init__(self) -> None:
        self._state: Literal["start", "reasoning", "content"] = "start"
        self._held = ""

    def feed(self, text: str) -> list[Part]:
        """Return what is certain by now; empty parts are left out."""
        if self._state == "content":
            return [("content", text)] if text else []
        self._held += text
        if self._state == "start" and not self._begin():
            return []
        return self._reasoning() if self._state == "reasoning" else self.finish()

    def finish(self) -> list[Part]:
        """Return what was held back: nothing follows, or nothing that could be a tag."""
        held, self._held = self._held, ""
        if self._state == "start":
            self._state = "content"
        return [(self._state, held)] if held else []

    def _begin(self) -> bool:
        """Decide whether the text begins with the tag; False while that is open."""
        text = self._held.lstrip()
        if text.startswith(_OPEN):
            self._state, self._held = "reasoning", text[len(_OPEN) :]
        elif _OPEN.startswith(text):
            return False
        else:
            self._state = "content"
        return True

    def _reasoning(self) -> list[Part]:
        before, tag, after = self._held.partition(_CLOSE)
        if tag:
            self._state, self._held = "content", ""
            parts: list[Part] = [("reasoning", before), ("content", after)]
        else:
            keep = _possible_tag(self._held)
            cut = len(self._held) - keep
            parts = [("reasoning", self._held[:cut])]
            self._held = self._held[cut:]
        return [part for part in parts if part[1]]


def _possible_tag(text: str) -> int:
    """How many characters at the end may be the beginning of the end tag."""
    for size in range(min(len(text), len(_CLOSE) - 1), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return size
    return 0


def split_answer(text: str) -> tuple[str | None, str | None]:
    """Return reasoning and content of a whole answer; content is None if the tag never ends."""
    stripped = text.lstrip()
    if not stripped.startswith(_OPEN):
        return None, text
    reasoning, tag, content = stripped[len(_OPEN) :].partition(_CLOSE)
    return reasoning, content if tag else None
