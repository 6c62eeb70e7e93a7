"""The means to write worlds down."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.worlds.hostcall import expect, inexpressible, items
from daemon.errors import DaemonError, ErrorKind


def test_a_reply_of_the_wrong_kind_is_our_bug() -> None:
    """Said so, instead of an attribute that is missing."""
    assert expect(csi.StreamOpened(1), csi.StreamOpened).stream == 1
    with pytest.raises(DaemonError) as caught:
        expect(csi.StreamClosed(), csi.StreamOpened)
    assert caught.value.kind is ErrorKind.INTERNAL


def test_items_are_those_of_the_reply() -> None:
    """Whatever they are."""
    assert items(csi.Languages(["eng"])) == ["eng"]


def test_what_a_world_cannot_express_names_the_way_out() -> None:
    """A newer SDK."""
    assert "newer SDK" in inexpressible("a tool call", "0.3").detail
