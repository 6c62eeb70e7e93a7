# world: skill@0.4.0
"""Breaks the rules that the SDK keeps: output that is no JSON, metadata that calls the host."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.skill_handler import Error_Internal, SkillMetadata
from wit_world.imports import tool

OUTPUTS = {
    "empty": b"",
    "not_json": b"{",
    "not_utf8": b'"\xff"',
    "trailing": b"{} {}",
    "nan": b"NaN",
    "lone_surrogate": b'"\\ud800"',
    "duplicate_keys": b'{"a": 1, "a": 2}',
}


class SkillHandler(exports.SkillHandler):
    def run(self, input: bytes) -> bytes:
        match json.loads(input):
            case {"output": str(name)}:
                return OUTPUTS[name]
            case {"size": int(size)}:
                return b'"' + b"x" * (size - 2) + b'"'
            case {"fail": str(why)}:
                raise Err(Error_Internal(why))
            case other:
                return json.dumps(other).encode()

    def metadata(self) -> SkillMetadata:
        tools = tool.list_tools()
        return SkillMetadata(f"Knows {len(tools)} tools.", b"{}", b"{}")
