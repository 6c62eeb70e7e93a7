"""What the inference interfaces share."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.worlds.inference import LOGPROBS, completion_request


@pytest.mark.parametrize(
    ("case", "top", "expected"), [("no", None, "no"), ("sampled", None, "sampled"), ("top", 0, 0)]
)
def test_logprobs_become_a_word_or_a_number(
    case: str, top: int | None, expected: csi.Logprobs
) -> None:
    """Zero is a number, too."""
    assert LOGPROBS.make(case, top) == expected


def test_echo_came_later() -> None:
    """As the last field."""
    old, new = completion_request(echo=False), completion_request(echo=True)

    assert old != new
    params = new.fields[2][1]
    assert params.fields[-1][0] == "echo"  # type: ignore[union-attr]
