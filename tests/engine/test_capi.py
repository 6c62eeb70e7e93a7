"""Errors of the C library become exceptions, and are freed."""

import pytest

from daemon.engine import capi, config


def test_no_error_is_no_exception() -> None:
    """Zero or None."""
    capi.check(None)
    capi.check(0)


def test_an_error_carries_its_text() -> None:
    """In full, as a plain string."""
    with pytest.raises(capi.WasmError, match=r"^what went wrong$") as caught:
        capi.check(capi.error_new(b"what went wrong"))

    assert caught.value.exit_status is None


def test_addresses_are_those_of_the_stock_wrappers() -> None:
    """So both can be used on one object."""
    engine = config.engine()

    assert capi.address(engine) == capi.address(engine) != 0
