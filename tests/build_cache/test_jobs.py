"""What the precompiler and its child say to each other."""

import msgspec
import pytest

from daemon.build_cache.jobs import (
    Answer,
    Compile,
    Made,
    Outline,
    Read,
    Refused,
    Request,
    Shared,
    Written,
)
from daemon.skill import SkillKind, World


@pytest.mark.parametrize("request_", [Read("/a", split=True), Compile("/b", {"c": "/d"})])
def test_requests_fit_on_a_line(request_: Request) -> None:
    """JSON without line breaks, there and back."""
    line = msgspec.json.encode(request_)

    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Request) == request_


@pytest.mark.parametrize(
    "answer",
    [
        Outline(World.V0_3, SkillKind.FUNCTION, [Shared("name", "hash")]),
        Made(Written("hash", 3), {}, [], strings=True, seconds={"compile": 0.5}),
        Refused("compile-failed", "line\nline"),
    ],
)
def test_answers_fit_on_a_line(answer: Answer) -> None:
    """Also with compiler output in them."""
    line = msgspec.json.encode(answer)

    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Answer) == answer
