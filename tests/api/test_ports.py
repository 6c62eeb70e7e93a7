from daemon.api.auth import Anyone, Iam
from daemon.api.ports import Authorizer, Options


def test_options_default_to_the_contract() -> None:
    """50 MiB bodies, a heartbeat that proxies don't cut, no foreign origins."""
    options = Options()

    assert options.body_limit == 52_428_800
    assert options.heartbeat == 15
    assert options.cors_origins == ()


def test_both_authorizers_fit_the_port() -> None:
    """Checked by the type checker; none is special to the routes."""
    authorizers: list[Authorizer] = [Anyone(), Iam("http://localhost")]

    assert len(authorizers) == 2
