"""
The base of all values of the CSI. Pure.

Leaves out what they mean: a module per capability says so.
"""

from typing import Annotated

import msgspec

Json = bytes
"""A JSON value as UTF-8 text."""
U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""What the worlds count with. Whoever decodes a number from outside holds it against this."""


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that may cross a process boundary."""
