# world: skill@0.4.0
"""Greets by name. The smallest whole function Skill: input, output, metadata, no SDK."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.skill_handler import Error_InvalidInput, SkillMetadata

INPUT = {
    "type": "object",
    "properties": {"name": {"type": "string", "description": "Who is greeted."}},
    "required": ["name"],
}
OUTPUT = {
    "type": "object",
    "properties": {"greeting": {"type": "string"}},
    "required": ["greeting"],
}


class SkillHandler(exports.SkillHandler):
    """What the host calls; componentize-py looks for this name."""

    def run(self, input: bytes) -> bytes:
        match json.loads(input):
            case {"name": str(name)}:
                return json.dumps({"greeting": f"Hello, {name}!"}).encode()
            case _:
                raise Err(Error_InvalidInput('expected {"name": "…"}'))

    def metadata(self) -> SkillMetadata:
        return SkillMetadata(
            description="Greets by name.",
            input_schema=json.dumps(INPUT).encode(),
            output_schema=json.dumps(OUTPUT).encode(),
        )
