# world: skill@sdk
from pharia_skill import Csi, skill
from pydantic import BaseModel

# `tests.sdk_variants` finds this text in the built component and puts another number there.
VARIANT = "variant-00000"


class Input(BaseModel):
    topic: str


class Output(BaseModel):
    text: str


@skill
def hello(csi: Csi, input: Input) -> Output:
    """Greets."""
    origin = "" if VARIANT.endswith("-00000") else f" from {VARIANT}"
    return Output(text=f"Hello {input.topic}{origin}")
