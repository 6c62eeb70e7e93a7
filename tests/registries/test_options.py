"""What an operator may say about registries."""

from daemon.registries.options import Patience, RegistryOptions
from daemon.secret import Secret


def test_a_password_does_not_show() -> None:
    """Options end up in logs and tracebacks."""
    assert "hidden" not in repr(RegistryOptions("h", user="u", password=Secret("hidden")))


def test_an_answer_may_take_longer_than_one_silence() -> None:
    """Else the caps on whole exchanges would say nothing new."""
    patience = Patience()

    assert patience.connect < patience.idle < patience.answer < patience.transfer
