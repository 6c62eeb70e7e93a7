"""
What is asked about plain texts: pieces of them, and their language. Pure.

Leaves out the libraries that answer (`csi/chunking`, `csi/language`).
"""

from daemon.csi.interface.value import Value


class ChunkRequest(Value, frozen=True):
    """Split `text` into pieces of at most `max_tokens` tokens of `model`."""

    text: str
    model: str
    max_tokens: int
    overlap: int = 0
    character_offsets: bool = False


class Chunk(Value, frozen=True):
    """A piece of text. `byte_offset` counts UTF-8 bytes; `character_offset` only on request."""

    text: str
    byte_offset: int
    character_offset: int | None = None


class LanguageRequest(Value, frozen=True):
    """Which of `languages` (ISO 639-3) is `text` written in?"""

    text: str
    languages: list[str]
