"""The first world's one function."""

from daemon.csi import interface as csi
from daemon.engine.worlds.v0_1 import INTERFACES
from tests.engine.worlds.calls import find, serve


def test_complete_text_is_a_completion_without_parameters() -> None:
    """Prompt first, then the model: the other way round than later."""
    reply = csi.Completions([csi.Completion("there", "stop", csi.TokenUsage(1, 1))])

    told, asked = serve(find(INTERFACES, "csi", "complete-text"), "Hi", "m", replies=[reply])

    assert asked == [csi.Complete([csi.CompletionRequest("m", "Hi")])]
    assert told == "there"


def test_both_spellings_of_the_interface_are_linked() -> None:
    """With and without the package's name."""
    assert [one.name for one in INTERFACES] == ["csi", "pharia:skill/csi"]
