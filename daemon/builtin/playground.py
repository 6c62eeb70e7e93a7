"""The namespace `test-beta`: Skills that are always there, to try clients and drivers on."""

from collections.abc import Mapping

from daemon.builtin.chat import TellMeAJoke
from daemon.builtin.hello import Hello
from daemon.builtin.saboteur import Saboteur
from daemon.builtin.skill import Builtin
from daemon.builtin.tool_caller import ToolCaller
from daemon.csi.interface import Drivers
from daemon.csi.tools import TEST_NAMESPACE
from daemon.names import SkillName, SkillPath


def playground(drivers: Drivers) -> Mapping[SkillPath, Builtin]:
    """Return its Skills."""
    saboteur = SkillPath(TEST_NAMESPACE, SkillName("saboteur"))
    caller = SkillPath(TEST_NAMESPACE, SkillName("tool_caller"))
    joke = SkillPath(TEST_NAMESPACE, SkillName("tell_me_a_joke"))
    return {
        SkillPath(TEST_NAMESPACE, SkillName("hello")): Hello(),
        saboteur: Saboteur(saboteur),
        caller: ToolCaller(caller, drivers),
        joke: TellMeAJoke(joke, drivers.inference),
    }
