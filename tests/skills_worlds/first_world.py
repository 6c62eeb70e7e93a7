# world: skill@unversioned
"""A Skill of the first world: answers in text, or with what the host's model says."""

import wit_world
from wit_world.imports import csi


class WitWorld(wit_world.WitWorld):
    def run(self, in_: str) -> str:
        if in_.startswith("ask "):
            return csi.complete_text(in_.removeprefix("ask "), "first-model")
        return f"Hello {in_}"
