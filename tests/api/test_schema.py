import json

import msgspec
from jsonschema import Draft202012Validator

from daemon.api import schema
from daemon.api.docs import openapi
from daemon.catalogue import Catalogue, NamespaceTools
from daemon.csi.interface import Tool
from daemon.csi.mcp.status import ServerStatus
from daemon.invoke import Described
from daemon.names import SkillName, SkillPath
from daemon.namespaces.status import NamespaceStatus, SkillStatus
from daemon.skill import SkillKind
from tests.api.statuses import CHAT, DIGEST, HELLO, REVISION, TEAM, catalogue, team


def fits(name: str, value: object) -> None:
    """Fail unless *value*, as JSON, is what the document calls *name*."""
    root = {"$ref": f"#/components/schemas/{name}", "components": openapi()["components"]}
    Draft202012Validator(root).validate(json.loads(msgspec.json.encode(value)))


def test_a_served_skill_has_all_its_facts() -> None:
    """Of what answers now."""
    entries = {entry["name"]: entry for entry in schema.catalogue_entries(catalogue())}
    entry = entries["hello"]

    fits("CatalogueEntry", entry)
    assert entry["status"] == "Ready"
    assert entry["description"] == "Greets"
    assert entry["input_schema"] == {"type": "object"}
    assert (entry["version"], entry["world"]) == ("0.4", "0.4.0")
    assert (entry["tag"], entry["digest"], entry["revision"]) == ("v1", DIGEST, REVISION)


def test_a_skill_that_cannot_be_served_is_listed_with_the_reason() -> None:
    """Nothing answers, so the facts are null."""
    entry = next(
        entry for entry in schema.catalogue_entries(catalogue()) if entry["name"] == "broken"
    )

    fits("CatalogueEntry", entry)
    assert entry["status"] == "Stalled"
    assert entry["message"] == "it is a core module"
    assert entry["digest"] is None


def test_chat_skills_are_listed_too() -> None:
    """They have no component."""
    entry = next(
        entry for entry in schema.catalogue_entries(catalogue()) if entry["name"] == "chat"
    )

    fits("CatalogueEntry", entry)
    assert (entry["type"], entry["kind"]) == ("chat", "message_stream")
    assert entry["world"] is None


def test_configured_skills_are_those_wanted_or_served() -> None:
    """Also the one that can't be loaded."""
    broken = SkillPath(TEAM, SkillName("broken"))
    assert schema.skills(catalogue()) == {
        CHAT: "chat",
        HELLO: "programmable",
        broken: "programmable",
    }
    assert schema.skills(Catalogue()) == {}


def test_a_chat_skill_is_one_before_it_is_served() -> None:
    """No component has to tell."""
    made = Catalogue()
    waiting = SkillStatus(CHAT.name, (), kind=SkillKind.MESSAGE_STREAM)
    made.report(NamespaceStatus(TEAM, "a file", "team", (), skills={CHAT.name: waiting}))

    assert schema.skills(made) == {CHAT: "chat"}
    assert [entry["type"] for entry in schema.catalogue_entries(made)] == ["chat"]


def test_a_namespace_tells_problems_conditions_and_history() -> None:
    """With file, line and the way out."""
    server = ServerStatus(
        url="https://u:p@mcp.example/mcp?key=hush", state="ready", tools=("search",)
    )
    found = schema.namespace(team(), [server])

    fits("Namespace", found)
    (shown,) = found["mcp_servers"]
    fits("McpServer", shown)
    assert shown["url"] == "https://mcp.example/mcp"
    for change in found["history"]:
        fits("Change", change)
    (mistake,) = found["problems"]
    assert (mistake["file"], mistake["line"], mistake["column"]) == ("namespace.toml", 3, 1)
    assert mistake["suggestion"] == "did you mean 'skills'?"
    assert found["conditions"][0]["last_transition_time"] == found["history"][0]["time"]
    assert found["skills"][0]["error"] == {
        "code": "not-a-component",
        "message": "it is a core module",
    }


def test_the_list_of_namespaces_leaves_the_history_out() -> None:
    """It would grow with every edit."""
    (found,) = schema.namespaces({TEAM: team()})

    assert "history" not in found


def test_metadata_fits_its_schema() -> None:
    """In the contract's order."""
    found = schema.metadata(Described("Echoes", "0.4", "message_stream", {"type": "string"}))

    fits("Metadata", found)
    assert list(found) == ["description", "version", "skill_type", "input_schema", "output_schema"]


def test_tools_are_sorted_and_their_schemas_untouched() -> None:
    """Key order and spaces of a schema are its author's."""
    tools = [Tool("b", "B", b'{ "z":1, "a":2 }'), Tool("a", "A", b"{}")]

    encoded = schema.json(schema.tools(tools)).body

    assert encoded == (
        b'[{"name":"a","description":"A","input_schema":{}},'
        b'{"name":"b","description":"B","input_schema":{ "z":1, "a":2 }}]'
    )


def test_mcp_servers_are_sorted() -> None:
    """Whatever their order in the file."""
    assert schema.mcp_servers(NamespaceTools((), ("b", "a"))) == ["a", "b"]
