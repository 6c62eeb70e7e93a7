"""
The JSON Schema of `namespace.toml`, for editors. Pure.

Draft 4, which TOML language servers understand. It can't say everything the parser checks: names
must be unique, and URLs hold no credentials.
"""

import json
from typing import Any

from daemon.names import HOST_PATTERN
from daemon.namespaces.config import BASE_REPOSITORY_PATTERN, NATIVE_TOOLS

_PART = r"[0-9]+(\.[0-9]+)?\s*"
_UNITS = (
    r"([nN][sS]|[uUµ][sS]|[mM][sS]|[sS]|[sS][eE][cC][sS]?|[sS][eE][cC][oO][nN][dD][sS]?|[mM]|"
    r"[mM][iI][nN][sS]?|[mM][iI][nN][uU][tT][eE][sS]?|[hH]|[hH][rR][sS]?|[hH][oO][uU][rR][sS]?|"
    r"[dD]|[dD][aA][yY][sS]?)"
)
_DURATION = rf"^\s*({_PART}{_UNITS}\s*)+$"
_ISO_DURATION = r"^\s*[pP]([0-9.]+[dD])?([tT]([0-9.]+[hH])?([0-9.]+[mM])?([0-9.]+[sS])?)?\s*$"
_SIZE = r"^\s*[0-9]{1,15}(\.[0-9]{1,15})?\s*[kKmMgGtTpP]?[iI]?[bB]?\s*$"

_NAME = {
    "type": "string",
    "pattern": r"^(?!\.{1,2}$)[^\s/\\\u0000-\u001f\u007f]{1,255}$",
    "description": "The Skill's name; it answers at /v1/skills/<namespace>/<name>.",
}


def _text(description: str, pattern: str | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "description": description}
    return schema | ({"pattern": pattern} if pattern else {})


def _table(
    properties: dict[str, Any], *, required: tuple[str, ...], description: str
) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_SKILL = _table(
    {
        "name": _NAME,
        "tag": _text(
            "The tag in the registry (default: latest).", "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
        ),
        "digest": _text("Pin: the tag is then only a label.", "^sha256:[0-9a-f]{64}$"),
        "memory": {
            "description": "Memory cap of one call, never above the operator's: 512MiB.",
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _SIZE}],
        },
        "timeout": {
            "description": "Time cap of one call, never above the operator's: 30s, 1m 30s.",
            "type": "string",
            "anyOf": [{"pattern": _DURATION}, {"pattern": _ISO_DURATION}],
        },
        "concurrency": {
            "description": "Calls at a time, never above the operator's.",
            "type": "integer",
            "minimum": 1,
        },
    },
    required=("name",),
    description="A WebAssembly Skill.",
)
_CHAT = _table(
    {
        "type": {"enum": ["chat"]},
        "name": _NAME,
        "version": _text("Version of this chat Skill."),
        "model": _text("The model that answers."),
        "system_prompt": _text("What the model is told first."),
    },
    required=("type", "name", "version", "model", "system_prompt"),
    description="A chat Skill: no component, a model and a system prompt.",
)
_OCI = _table(
    {
        "registry": _text("Host of the registry, without scheme.", f"^{HOST_PATTERN}$"),
        "base-repository": _text(
            "Repository that the Skills' names are appended to.", f"^{BASE_REPOSITORY_PATTERN}$"
        ),
    },
    required=("registry",),
    description="An OCI registry. Credentials are the operator's.",
)
_DIRECTORY = _table(
    {"path": {"type": "string", "minLength": 1, "description": "Relative to this file."}},
    required=("path",),
    description="A directory of *.wasm files.",
)


def schema() -> dict[str, Any]:
    """Return the schema as a JSON value."""
    document = _table(
        {
            "skills": {
                "type": "array",
                "description": "The Skills of this namespace.",
                "items": {"anyOf": [_SKILL, _CHAT]},
            },
            "mcp-servers": {
                "type": "array",
                "description": "MCP servers whose tools the Skills may call.",
                "items": {"type": "string", "pattern": r"^https?://[^/?#@\s]"},
            },
            "native-tools": {
                "type": "array",
                "description": "Built-in tools that the Skills may call.",
                "items": {"enum": list(NATIVE_TOOLS)},
            },
            "registry": {
                "description": "Where the components are; default: the operator's registry.",
                "anyOf": [_OCI, _DIRECTORY],
            },
        },
        required=("skills",),
        description="A namespace of Skills, served by skilld.",
    )
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "namespace.toml",
        **document,
    }


def schema_text() -> str:
    """Return the schema as the text that is kept beside the namespaces, with a last newline."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
