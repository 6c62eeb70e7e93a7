"""
The base of all values of the CSI. Pure.

Leaves out what they mean: a module per capability says so.
"""

import msgspec

Json = bytes
"""A JSON value as UTF-8 text."""


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that may cross a process boundary."""
