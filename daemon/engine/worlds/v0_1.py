"""The first world, from before packages had versions: complete a text, nothing else."""

from daemon.csi import interface as csi
from daemon.engine.wit import STRING
from daemon.engine.worlds.hostcall import HostFunction, Interface, function


def _complete(prompt: str, model: str) -> csi.Request:
    return csi.Complete([csi.CompletionRequest(model, prompt)])


_COMPLETE_TEXT: HostFunction = function(
    "complete-text",
    STRING,
    STRING,
    result=STRING,
    ask=_complete,
    answer=lambda reply: reply.items[0].text,
)

# Tools of that time wrote the interface's name with or without its package.
INTERFACES = (
    Interface("csi", (_COMPLETE_TEXT,)),
    Interface("pharia:skill/csi", (_COMPLETE_TEXT,)),
)
