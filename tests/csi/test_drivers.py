"""The set of drivers."""

from daemon.csi.drivers import assemble
from daemon.csi.tools import Toolbox
from daemon.csi.unconfigured import UnconfiguredDocumentIndex, UnconfiguredInference
from tests.csi.fakes import ScriptedInference


def test_configured_drivers_are_taken_and_the_rest_explains_itself() -> None:
    """Nobody has to ask whether there is one."""
    inference, tools = ScriptedInference(), Toolbox()
    drivers = assemble(tools=tools, inference=inference)
    assert drivers.inference is inference
    assert drivers.tools is tools
    assert isinstance(drivers.document_index, UnconfiguredDocumentIndex)
    assert isinstance(assemble(tools=tools).inference, UnconfiguredInference)
