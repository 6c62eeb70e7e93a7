# world: skill@sdk
from pharia_skill import ChatParams, Csi, Message, skill
from pydantic import BaseModel


class Input(BaseModel):
    topic: str


class Output(BaseModel):
    haiku: str


@skill
def haiku(csi: Csi, input: Input) -> Output:
    """Has a model write a haiku."""
    response = csi.chat("a-model", [Message.user(input.topic)], ChatParams(max_tokens=64))
    return Output(haiku=(response.message.content or "").strip())
