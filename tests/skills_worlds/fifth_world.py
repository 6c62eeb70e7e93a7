# world: skill@0.5.0
"""A Skill of the 0.5 world, whose worlds are gated; it has no output schema to speak of."""

import json

from wit_world import exports
from wit_world.exports.skill_handler import SkillMetadata


class SkillHandler(exports.SkillHandler):
    def run(self, input: bytes) -> bytes:
        return json.dumps({"text": f"Hello {json.loads(input)['topic']}"}).encode()

    def metadata(self) -> SkillMetadata:
        return SkillMetadata("A Skill of the newest world.", b'{"type": "object"}', b"{}")
