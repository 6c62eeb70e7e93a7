# world: skill@sdk
"""Uses tools, and has metadata worth reading."""

from typing import Any

from pharia_skill import Csi, skill
from pydantic import BaseModel, Field


class Input(BaseModel):
    """A tool to use."""

    tool: str | None = Field(default=None, description="Lists the tools where absent.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="As the tool wants them.")


class Output(BaseModel):
    """What came of it."""

    tools: list[str] = Field(description="Names of the tools at hand.")
    result: list[str] = Field(description="The texts that the tool gave.")


@skill
def tools(csi: Csi, input: Input) -> Output:
    """Uses a tool.

    Which one, and with what, its caller says.
    """
    names = [tool.name for tool in csi.list_tools()]
    if input.tool is None:
        return Output(tools=names, result=[])
    return Output(tools=names, result=csi.invoke_tool(input.tool, **input.arguments).contents)
