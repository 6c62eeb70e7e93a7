import os

from daemon.secret import Secret
from daemon.settings.model import FIELDS, SECRETS, TABLES, Settings


def test_one_worker_per_core_unless_told_otherwise() -> None:
    """Of the cores that this process may use: more would not run more guests at a time."""
    assert Settings().workers == len(os.sched_getaffinity(0))


def test_secrets_and_tables_are_known_as_such() -> None:
    """The command line offers neither."""
    assert {"registry_password"} <= SECRETS
    assert {"namespaces", "registries", "openai_inference"} <= TABLES
    assert all(isinstance(getattr(Settings(), name), Secret) for name in SECRETS)


def test_every_setting_says_what_it_means_in_one_sentence() -> None:
    """It is help, guide and `skilld config` alike."""
    for name, one in FIELDS.items():
        assert one.metadata["doc"].endswith("."), name


def test_calls_end_before_kubernetes_kills() -> None:
    """Its default grace is 30 seconds."""
    assert Settings().shutdown_timeout < 30
