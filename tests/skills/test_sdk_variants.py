import hashlib
from pathlib import Path

import pytest

from tests.conftest import Skills
from tests.sdk_variants import variant


@pytest.mark.real
def test_variants_differ_in_nothing_but_their_number(sdk_skill: Skills, tmp_path: Path) -> None:
    """Same length, other bytes, other digest: another Skill for every cache."""
    original = sdk_skill("hello")

    first, second = (variant(original, number, into=tmp_path) for number in (1, 2))

    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (original, first, second)}
    assert len(digests) == 3
    assert first.stat().st_size == original.stat().st_size
    assert b"variant-00001" in first.read_bytes()
    assert b"variant-00000" not in first.read_bytes()
