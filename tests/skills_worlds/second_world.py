# world: skill@0.2.10
"""A Skill of the 0.2 world: greets, or passes a question on to the host's model."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.skill_handler import Error_Internal, Error_InvalidInput
from wit_world.imports import csi


class SkillHandler(exports.SkillHandler):
    def run(self, input: bytes) -> bytes:
        match json.loads(input):
            case {"ask": str(question)}:
                params = csi.CompletionParams(16, None, None, None, [])
                answer = csi.complete("second-model", question, params).text
            case {"topic": str(topic)}:
                answer = f"Hello {topic}"
            case {"fail": str(why)}:
                raise Err(Error_Internal(why))
            case other:
                raise Err(Error_InvalidInput(f"no topic in {other!r}"))
        return json.dumps({"text": answer}).encode()
