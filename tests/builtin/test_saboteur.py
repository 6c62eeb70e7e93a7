"""`test-beta/saboteur`."""

import pytest

from daemon.builtin.saboteur import Saboteur
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath


async def test_saboteur_reports_an_error() -> None:
    """As a Skill of its kind would."""
    with pytest.raises(DaemonError, match=r"reported by Skill:\n\nSkill is a saboteur$") as it:
        saboteur = Saboteur(SkillPath.parse("test-beta", "saboteur"))
        await anext(saboteur.stream(b"null", csi.Caller()))
    assert it.value.kind is ErrorKind.SKILL_FAILED
