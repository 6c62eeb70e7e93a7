from daemon.errors import PERMANENT, DaemonError, ErrorKind, first


def test_permanent_kinds_are_those_that_the_same_bytes_meet_again() -> None:
    """A registry that is down is not among them."""
    assert DaemonError(ErrorKind.NOT_A_COMPONENT, "x").permanent
    assert not DaemonError(ErrorKind.REGISTRY_UNAVAILABLE, "x").permanent
    assert ErrorKind.DIGEST_MISMATCH not in PERMANENT


def test_codes_are_stable_kebab_case() -> None:
    """Clients match on them."""
    assert all(kind.value == kind.name.lower().replace("_", "-") for kind in ErrorKind)


def test_the_first_error_of_a_group_is_found_however_deep() -> None:
    """Groups nest as their tasks do."""
    inner = ValueError("the first")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [inner]), KeyError()])

    assert first(group) is inner
