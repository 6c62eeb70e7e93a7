"""
What the embedded index takes and tells, as plain values: whoever fills or lists it needs no more.

Apart from the index itself, which takes a tenth of a second and 30 MB to import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from daemon.csi import interface as csi

Change = Literal["added", "replaced", "unchanged"]


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What to add: texts (Markdown or plain) and JSON metadata."""

    path: csi.DocumentPath
    contents: Sequence[str]
    metadata: csi.Json | None = None


@dataclass(frozen=True, slots=True)
class CollectionSize:
    """A line of the list of collections."""

    namespace: str
    name: str
    documents: int
    sections: int
